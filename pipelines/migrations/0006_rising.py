from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models

from pipelines.online import AddIndexOnline


class Migration(migrations.Migration):
    """Keep a client's jobs in rising order: written in two thirds of the time, and read backwards as fast."""

    atomic = False

    dependencies = [
        ("pipelines", "0005_references"),
        migrations.swappable_dependency(settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
    ]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(fields=["client", "id"], name="job_of_client_id"),
        ),
        RemoveIndexConcurrently(model_name="job", name="job_of_client"),
    ]
