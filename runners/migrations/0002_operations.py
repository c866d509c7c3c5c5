from __future__ import annotations

from django.db import migrations

from pipelines.online import tune_table


class Migration(migrations.Migration):
    """Vacuum by the thousand what changes all the time."""

    dependencies = [("runners", "0001_initial")]
    operations = [
        tune_table(
            "runners_attempt",
            autovacuum_vacuum_scale_factor=0.02,
            autovacuum_vacuum_threshold=1000,
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_analyze_scale_factor=0.02,
        ),
    ]
