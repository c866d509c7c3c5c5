from __future__ import annotations

import django.db.models.deletion
from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

_TABLES = ("job", "pipeline", "stage")


class Migration(migrations.Migration):
    """Take away the constraints that another has replaced, and check a stage's reference no more than a job's.

    (pipeline, name) finds a pipeline's stages.
    """

    dependencies = [("pipelines", "0007_state_fits_end")]

    operations = [
        *(ValidateConstraint(model_name=table, name=f"{table}_state_fits_end") for table in _TABLES),
        *(migrations.RemoveConstraint(model_name=table, name=f"{table}_state_known") for table in _TABLES),
        *(migrations.RemoveConstraint(model_name=table, name=f"{table}_finished_at_iff_ended") for table in _TABLES),
        migrations.AlterField(
            model_name="stage",
            name="pipeline",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="stages",
                to="pipelines.pipeline",
            ),
        ),
    ]
