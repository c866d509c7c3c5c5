from __future__ import annotations

from django.db import migrations, models

from pipelines.online import AddIndexOnline, tune_table


class Migration(migrations.Migration):
    """Vacuum by the thousand what changes all the time; find the reruns of a pipeline that is deleted."""

    atomic = False
    dependencies = [("pipelines", "0001_initial")]
    operations = [
        tune_table(
            "pipelines_job",
            autovacuum_vacuum_scale_factor=0.02,
            autovacuum_vacuum_threshold=1000,
            autovacuum_vacuum_insert_scale_factor=0.05,
            autovacuum_analyze_scale_factor=0.02,
        ),
        tune_table("pipelines_pipeline", autovacuum_vacuum_scale_factor=0.05, autovacuum_analyze_scale_factor=0.05),
        tune_table("pipelines_stage", autovacuum_vacuum_scale_factor=0.05, autovacuum_analyze_scale_factor=0.05),
        AddIndexOnline(
            "pipeline",
            models.Index(
                fields=["rerun_of"], name="pipeline_rerun_of", condition=models.Q(("rerun_of__isnull", False))
            ),
        ),
    ]
