"""10,000 jobs in one document are ordinary."""

from __future__ import annotations

import time

import yaml

from tests.e2e.stack import Stack, shell

SETTINGS = {"QUEUE_SIZE": "400", "RUNNER_CAPACITY": "200"}
JOBS = 10_000


def test_a_document_of_10000_jobs_is_answered_soon_and_all_of_them_run(stack: Stack) -> None:
    jobs = [shell(f"job-{number}", stage="a" if number < JOBS // 2 else "b") for number in range(JOBS)]
    document = {"stages": ["a", "b"], "jobs": jobs}
    body = yaml.dump(document, Dumper=yaml.CSafeDumper).encode()
    asked = time.monotonic()
    response = stack.api.post("/pipelines/", content=body, headers={"Content-Type": "application/yaml"})
    answered = time.monotonic() - asked
    assert response.status_code == 202, response.text
    assert answered < 10  # ten times what it takes: a hang, not a figure
    accepted = response.json()
    assert (accepted["divided"], accepted["state"], accepted["stages"]) == (False, "READY", [])
    second = stack.api.post("/pipelines/?dry_run=true", json=document)
    assert second.status_code == 200
    ended = stack.ended(accepted["id"], seconds=300)
    assert ended["state"] == "DONE"
    assert [stage["counts"]["DONE"] for stage in ended["stages"]] == [JOBS // 2, JOBS // 2]
    assert stack.query("SELECT count(*), count(DISTINCT job_id) FROM runners_attempt") == [(JOBS, JOBS)]
    # No stage before its predecessor had ended.
    (order,) = stack.query(
        "SELECT max(attempt.finished_at) FILTER (WHERE stage_position = 0), "
        "min(attempt.claimed_at) FILTER (WHERE stage_position = 1) "
        "FROM runners_attempt attempt JOIN pipelines_job job ON job.id = attempt.job_id"
    )
    assert order[0] <= order[1]
