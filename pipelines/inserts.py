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


def _stages(*, pipeline: str, names: str) -> str:
    """Return the statement for the stages of these names, the first of them open; `now` is the database's if null.

    Both arguments are SQL: a pipeline's id, an array of JSON.
    """
    return f"""
INSERT INTO pipelines_stage (pipeline_id, name, position, state, warnings, opened_at)
SELECT {pipeline}, name, number - 1, 'READY', 0, CASE number WHEN 1 THEN COALESCE(%(now)s::timestamptz, now()) END
FROM json_array_elements_text({names}) WITH ORDINALITY AS given (name, number)
ORDER BY number
"""  # noqa: S608  # of what this file writes


# What `definition.columns_of` makes. Column by column: of ten thousand objects the database would look up each field
# in each.
_COLUMNS = "name json, params json, alike json, shared json"
_LISTED = f"listed AS MATERIALIZED (SELECT * FROM json_to_record(%(jobs)s::json) AS columns ({_COLUMNS}))"  # noqa: S608


def _jobs(*, pipeline: str, among: str) -> str:
    """Return the statement for the jobs in `listed`, each eligible from when its stage opened.

    Both arguments are SQL: a pipeline's id, where its stages stand. Ids grow in the jobs' order. A job of a stage that
    is not there has none, which the table refuses.
    """
    return f"""
INSERT INTO pipelines_job
    (pipeline_id, stage_id, client_id, pipeline_priority, stage_position, name, kind, version, priority, params,
     retry_attempt, allow_failure, timeout, state, reason, attempt, failures, losses, unstarted, progress, message,
     runner_name, eligible_at)
SELECT {pipeline}, stage.id, %(client)s, %(priority)s, stage.position, own.name, shared.kind, shared.version,
    shared.priority, own.params::jsonb, shared.retry_attempt, shared.allow_failure, shared.timeout, 'READY', '', 0, 0,
    0, 0, 0, '', '', stage.opened_at
FROM listed,
    ROWS FROM (
        json_array_elements_text(listed.name),
        json_array_elements_text(listed.params),
        json_array_elements_text(listed.alike)
    ) WITH ORDINALITY AS own (name, params, alike, number)
LEFT JOIN (
    SELECT each.* FROM listed, ROWS FROM (json_to_recordset(listed.shared) AS (
        stage text, kind text, version text, priority smallint, retry_attempt smallint, allow_failure boolean,
        timeout integer
    )) WITH ORDINALITY AS each (stage, kind, version, priority, retry_attempt, allow_failure, timeout, number)
) AS shared ON shared.number = own.alike::bigint + 1
LEFT JOIN {among} AS stage ON stage.pipeline_id = {pipeline} AND stage.name = shared.stage
ORDER BY own.number
"""  # noqa: S608  # of what this file writes


_MADE = "(SELECT id FROM pipeline)"
_ID = "%(pipeline)s::bigint"
# One statement and its own transaction: one round trip in place of six, on the way of every submission.
WHOLE: Final = f"""
WITH {_LISTED},
    pipeline AS ({PIPELINE} RETURNING *),
    stage AS ({_stages(pipeline=_MADE, names="%(stages)s::json")} RETURNING *),
    job AS ({_jobs(pipeline=_MADE, among="stage")} RETURNING *)
SELECT (SELECT json_agg(pipeline)::text FROM pipeline),
    (SELECT json_agg(stage ORDER BY position)::text FROM stage),
    (SELECT json_agg(job ORDER BY id)::text FROM job)
"""  # noqa: S608
# Of the document that was kept when the pipeline was submitted (definition.Document.to_json), which is read once.
KEPT: Final = f"""
WITH listed AS MATERIALIZED (
        SELECT kept.* FROM pipelines_submission AS submission,
            json_to_record(submission.document::json) AS kept (stages json, {_COLUMNS})
        WHERE submission.pipeline_id = {_ID}
    ),
    stage AS ({_stages(pipeline=_ID, names="(SELECT stages FROM listed)")} RETURNING *)
{_jobs(pipeline=_ID, among="stage")}
"""  # noqa: S608
ADDED: Final = f"WITH {_LISTED} {_jobs(pipeline=_ID, among='pipelines_stage')} RETURNING {{columns}}"
