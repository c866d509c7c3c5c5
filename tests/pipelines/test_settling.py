from __future__ import annotations

import pytest

from pipelines.models import Stage
from pipelines.states import State
from tests.scenes import FAILED, a_client, a_pipeline, a_runner, claim_all, job, run

pytestmark = pytest.mark.django_db


def test_stages_run_one_after_the_other_and_the_pipeline_ends_done() -> None:
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a", "b"], "deploy": ["c"]})
    first = claim_all()
    assert [each.name for each in first] == ["a", "b"]
    run(first[0])
    assert claim_all() == [first[1]]
    run(first[1])
    (last,) = claim_all()
    assert last.name == "c"
    run(last)
    pipeline.refresh_from_db()
    assert pipeline.state == State.DONE
    assert [stage.state for stage in pipeline.stages.all()] == [State.DONE, State.DONE]
    assert pipeline.started_at and pipeline.finished_at


def test_a_failure_stops_the_pipeline_and_lets_running_jobs_end() -> None:
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a", "b"], "deploy": ["c"]})
    a, b = claim_all()
    assert run(a, FAILED).state == State.ERROR
    pipeline.refresh_from_db()
    assert pipeline.state == State.IN_PROGRESS
    assert (job(pipeline, "c").state, job(pipeline, "c").reason) == (State.CANCELLED, "pipeline_failed")
    run(b)
    pipeline.refresh_from_db()
    assert pipeline.state == State.ERROR
    assert list(Stage.objects.filter(pipeline=pipeline).values_list("state", flat=True)) == ["ERROR", "CANCELLED"]
