"""Django's backend for PostgreSQL, but for one type: a set of reports reads some hundreds of moments."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap


class MomentLoader(BaseTzLoader):  # type: ignore[misc]
    """Reads a timestamptz with the standard library's own parser; what that does not know, as psycopg does.

    Django has the session's time zone be UTC.
    """

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            moment = datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            moment = super().load(data)
        return moment


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        """Return Django's, with the loader."""
        parameters = super().get_connection_params()
        return {**parameters, "context": _with_loader(parameters["context"])}


@cache
def _with_loader(adapters: AdaptersMap) -> AdaptersMap:
    ours = AdaptersMap(adapters)
    ours.register_loader("timestamptz", MomentLoader)
    return ours
