from __future__ import annotations

from django.db import migrations, models

from pipelines.online import AddIndexOnline


class Migration(migrations.Migration):
    """Find the first jobs of all without looking at every client."""

    atomic = False
    dependencies = [("pipelines", "0003_edges")]
    operations = [
        AddIndexOnline(
            "job",
            models.Index(
                fields=["pipeline_priority", "stage_position", "priority", "id"],
                name="job_front",
                condition=models.Q(("eligible_at__isnull", False), ("id__gt", 0), ("state", "READY")),
            ),
        )
    ]
