"""`make demo`: submit the example pipeline as a client does, over HTTP, and show what becomes of it."""
