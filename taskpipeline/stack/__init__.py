"""The supervisor behind `make run` and `make demo`: every process of the service on one machine."""
