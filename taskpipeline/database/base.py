"""Django's backend for PostgreSQL, but for how moments are read and kept connections are tried."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg_pool import ConnectionPool

from taskpipeline.database.looking import look


class MomentLoader(BaseTzLoader):  # type: ignore[misc]
    """Reads a timestamptz with the standard library's own parser; what that does not know, as psycopg does.

    A set of reports reads some hundreds of them. Django has the session's time zone be UTC.
    """

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            moment = datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            moment = super().load(data)
        return moment


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: ClassVar[dict[str, ConnectionPool[Any]]]

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """Return the process's pool as Django makes it, but for the check, of which Django lets nobody choose."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        if self.alias not in self._connection_pools:
            parameters = {**self.get_connection_params(), "autocommit": True}
            pool = ConnectionPool(
                kwargs=parameters,
                open=False,
                configure=self._configure_connection,  # type: ignore[attr-defined]
                check=look,
                **options,
            )
            self._connection_pools.setdefault(self.alias, pool)  # where several threads made one, the first is it
        return self._connection_pools[self.alias]

    def get_connection_params(self) -> dict[str, Any]:
        """Return Django's, with the loader."""
        parameters = super().get_connection_params()
        return {**parameters, "context": _with_loader(parameters["context"])}


@cache
def _with_loader(adapters: AdaptersMap) -> AdaptersMap:
    ours = AdaptersMap(adapters)
    ours.register_loader("timestamptz", MomentLoader)
    return ours
