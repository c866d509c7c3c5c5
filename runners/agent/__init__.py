"""The process on a server: takes execute requests from its queue, runs them, reports over HTTP.

It knows no database and no Django: broker, API and its runner token are all it needs. See `docs/architecture.md`.
"""
