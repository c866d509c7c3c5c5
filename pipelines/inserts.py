"""The statements that write a pipeline, its stages and its jobs.

Raw SQL: the database reads the JSON itself and makes the rows in one statement each, so that ten thousand jobs, the
text of a large document included, never become objects here.
"""

from __future__ import annotations

from typing import Final

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


def jobs(*, pipeline: str, specs: str, among: str = "pipelines_stage") -> str:
    """Return the statement for these jobs of stages that are there, each eligible from when its stage opened.

    The arguments are SQL: a pipeline's id, an array of JSON, where the stages stand. Ids grow in the array's order. A
    job of a stage that is not there has none, which the table refuses.
    """
    return f"""
INSERT INTO pipelines_job
    (pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
     retry_attempt, allow_failure, timeout, state, reason, attempt, failures, losses, unstarted, progress, message,
     runner_name, eligible_at)
SELECT {pipeline}, stage.id, %(client)s, %(priority)s, stage.position, given.name, given.kind, given.version,
    given.priority, given.params, given.retry_attempt, given.allow_failure, given.timeout, 'READY', '', 0, 0, 0, 0, 0,
    '', '', stage.opened_at
FROM ROWS FROM (json_to_recordset({specs}) AS (
    stage text, name text, kind text, version text, priority smallint, params jsonb, retry_attempt smallint,
    allow_failure boolean, timeout integer
)) WITH ORDINALITY AS given
    (stage, name, kind, version, priority, params, retry_attempt, allow_failure, timeout, number)
LEFT JOIN {among} AS stage ON stage.pipeline_id = {pipeline} AND stage.name = given.stage
ORDER BY number
"""  # noqa: S608  # of what this file and its callers write


_MADE = "(SELECT id FROM pipeline)"
# One statement and its own transaction: one round trip in place of six, on the way of every submission.
WHOLE: Final = f"""
WITH pipeline AS ({PIPELINE} RETURNING *),
    stage AS ({stages(pipeline=_MADE, names="%(stages)s::json")} RETURNING *),
    job AS ({jobs(pipeline=_MADE, specs="%(jobs)s::json", among="stage")} RETURNING *)
SELECT (SELECT json_agg(pipeline)::text FROM pipeline),
    (SELECT json_agg(stage ORDER BY position)::text FROM stage),
    (SELECT json_agg(job ORDER BY id)::text FROM job)
"""  # noqa: S608
