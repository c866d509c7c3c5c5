"""The baseline: what a user would build on Celery alone, its canvas on Redis."""
