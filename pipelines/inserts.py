"""The statements that write a pipeline, its stages and its jobs.

Raw SQL: the database reads the JSON itself and makes the rows in one statement each, so that ten thousand jobs, the
text of a large document included, never become objects here.
"""

from __future__ import annotations

from typing import Final

from pipelines.definition import JobSpec

# Column by column: of ten thousand objects the database would look up each field in each.
_COLUMNS_OF_JSON = ", ".join(f"{name} json" for name in JobSpec._fields)

PIPELINE: Final = """
INSERT INTO pipelines_pipeline
    (client_id, name, priority, labels, callback_url, declared_jobs, divided, state, reason, warnings)
VALUES
    (%(client)s, %(name)s, %(priority)s, %(labels)s, %(callback_url)s, %(declared_jobs)s, %(divided)s, 'READY', '', 0)
"""


def stages(*, pipeline: str, names: str) -> str:
    """Return the statement for the stages of these names, the first of them open; `now` is the database's if null.

    Both arguments are SQL: a pipeline's id, an array of JSON.
    """
    return f"""
INSERT INTO pipelines_stage (pipeline_id, name, position, state, warnings, opened_at)
SELECT {pipeline}, name, number - 1, 'READY', 0, CASE number WHEN 1 THEN COALESCE(%(now)s::timestamptz, now()) END
FROM json_array_elements_text({names}) WITH ORDINALITY AS given (name, number)
ORDER BY number
"""  # noqa: S608  # of what this file and its callers write


def listed(columns: str) -> str:
    """Return what stands in FROM for jobs that the JSON has column by column, as `definition.columns_of` makes it."""
    return f"json_to_record({columns}) AS listed ({_COLUMNS_OF_JSON})"


def jobs(*, pipeline: str, listed: str, among: str = "pipelines_stage") -> str:
    """Return the statement for these jobs of stages that are there, each eligible from when its stage opened.

    The arguments are SQL: a pipeline's id, what stands in FROM as `listed`, where the stages stand. Ids grow in the
    jobs' order. A job of a stage that is not there has none, which the table refuses.
    """
    return f"""
INSERT INTO pipelines_job
    (pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
     retry_attempt, allow_failure, timeout, state, reason, attempt, failures, losses, unstarted, progress, message,
     runner_name, eligible_at)
SELECT {pipeline}, stage.id, %(client)s, %(priority)s, stage.position, given.name, given.kind, given.version,
    given.priority::smallint, given.params::jsonb, given.retry_attempt::smallint, given.allow_failure::boolean,
    given.timeout::integer, 'READY', '', 0, 0, 0, 0, 0, '', '', stage.opened_at
FROM {listed}, ROWS FROM ({", ".join(f"json_array_elements_text(listed.{name})" for name in JobSpec._fields)})
    WITH ORDINALITY AS given ({", ".join(JobSpec._fields)}, number)
LEFT JOIN {among} AS stage ON stage.pipeline_id = {pipeline} AND stage.name = given.stage
ORDER BY number
"""  # noqa: S608  # of what this file and its callers write


_MADE = "(SELECT id FROM pipeline)"
_ID = "%(pipeline)s::bigint"
# One statement and its own transaction: one round trip in place of six, on the way of every submission.
WHOLE: Final = f"""
WITH pipeline AS ({PIPELINE} RETURNING *),
    stage AS ({stages(pipeline=_MADE, names="%(stages)s::json")} RETURNING *),
    job AS ({jobs(pipeline=_MADE, listed=listed("%(jobs)s::json"), among="stage")} RETURNING *)
SELECT (SELECT json_agg(pipeline)::text FROM pipeline),
    (SELECT json_agg(stage ORDER BY position)::text FROM stage),
    (SELECT json_agg(job ORDER BY id)::text FROM job)
"""  # noqa: S608
# Of the document that was kept when the pipeline was submitted (definition.Document.to_json), which is read once.
KEPT: Final = f"""
WITH kept AS MATERIALIZED (
        SELECT document.* FROM pipelines_submission AS submission,
            json_to_record(submission.document::json) AS document (stages json, {_COLUMNS_OF_JSON})
        WHERE submission.pipeline_id = {_ID}
    ),
    stage AS ({stages(pipeline=_ID, names="(SELECT stages FROM kept)")} RETURNING *)
{jobs(pipeline=_ID, listed="kept AS listed", among="stage")}
"""  # noqa: S608
ADDED: Final = jobs(pipeline=_ID, listed=listed("%(jobs)s::json")) + "RETURNING {columns}"
