"""The controllers that play life in the cluster, a round at a time."""
