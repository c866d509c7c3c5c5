"""With room for one job at a time, jobs start exactly in the contract's order."""

from __future__ import annotations

from itertools import product

from tests.e2e.stack import Stack, eventually, shell

SETTINGS = {"QUEUE_SIZE": "1"}


def test_jobs_start_by_client_then_pipeline_then_stage_then_job_then_age(stack: Stack) -> None:
    clients = {
        priority: stack.command("create_client", f"c{priority}", "--priority", str(priority)) for priority in (20, 5)
    }
    stack.query("UPDATE runners_runner SET paused_at = now()")
    for client, pipeline in product((20, 5), (7, 3, 7)):
        made = clients[client]
        with stack.as_client(made["client_id"], made["client_secret"]) as api:
            jobs = [
                shell("late", stage="second", priority=1),
                shell("low", stage="first", priority=9),
                shell("high", stage="first", priority=2),
                shell("also-high", stage="first", priority=2),
            ]
            document = {"stages": ["first", "second"], "priority": pipeline, "jobs": jobs}
            stack.submit(document, api=api)
    stack.query("UPDATE runners_runner SET paused_at = NULL")
    eventually(
        lambda: stack.query("SELECT count(*) FROM pipelines_pipeline WHERE finished_at IS NULL") == [(0,)],
        what="every pipeline to end",
    )
    started = stack.query(
        "SELECT client.priority, pipeline.priority, stage_position, job.priority, job.id FROM runners_attempt attempt "
        "JOIN pipelines_job job ON job.id = attempt.job_id "
        "JOIN pipelines_pipeline pipeline ON pipeline.id = job.pipeline_id "
        "JOIN clients_client client ON client.id = job.client_id ORDER BY attempt.claimed_at, attempt.id"
    )
    assert len(started) == 24
    assert started == sorted(started)
