"""What the service costs, beside what a user would build without it: `python -m benchmarks`."""
