"""Work on Kubernetes clusters: what is created there, what its objects say, and how it is followed."""
