from __future__ import annotations

from typing import Any

from django.db import migrations, models

# Of those that have ended nobody asks. The former version adds nothing to it: what of a pipeline ends there while both
# serve is missing in its progress until it has ended.
_COUNT = """
UPDATE pipelines_pipeline AS pipeline SET declared_jobs = counted.jobs, ended_jobs = counted.ended
FROM (
    SELECT pipeline_id, count(*) AS jobs, count(*) FILTER (WHERE finished_at IS NOT NULL) AS ended
    FROM pipelines_job WHERE pipeline_id IN (SELECT id FROM pipelines_pipeline WHERE state IN ('READY', 'IN_PROGRESS'))
    GROUP BY pipeline_id
) AS counted
WHERE pipeline.id = counted.pipeline_id
"""


def count(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute(_COUNT)


class Migration(migrations.Migration):
    """Keep with a pipeline how many of its jobs have ended."""

    dependencies = [("pipelines", "0008_checked_once")]

    operations = [
        migrations.AddField(
            model_name="pipeline",
            name="ended_jobs",
            field=models.IntegerField(db_default=0, editable=False, help_text="How many of its jobs have ended."),
        ),
        migrations.AlterField(
            model_name="pipeline",
            name="declared_jobs",
            field=models.PositiveIntegerField(default=0, help_text="Jobs it has or, until it is divided, will have."),
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
