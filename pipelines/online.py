"""Changes of the schema that the service can go on working beside."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.migrations.operations import RunSQL


class AddIndexOnline(AddIndexConcurrently):
    """Build an index beside the writers, in a migration that is `atomic = False`; done anew if it was interrupted."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            # It waits for transactions, not for tables, and nobody waits behind it: it need not give way, and must
            # not, because what it leaves then is an index that is kept up to date and never used.
            cursor.execute("SELECT current_setting('lock_timeout')")
            (lock_timeout,) = cursor.fetchone()
            cursor.execute("SET lock_timeout = 0")
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [lock_timeout])


def tune_table(table: str, **parameters: float) -> RunSQL:
    """Set the table's storage parameters; readers and writers go on meanwhile."""
    values = ", ".join(f"{name} = {value}" for name, value in parameters.items())
    return RunSQL(f"ALTER TABLE {table} SET ({values})", f"ALTER TABLE {table} RESET ({', '.join(parameters)})")
