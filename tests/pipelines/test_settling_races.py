"""What must not slip between two transactions that look at the same pipeline at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from pipelines import cancelling, clock, editing
from pipelines.exceptions import InvalidTransition
from pipelines.models import Job, Pipeline
from runners import claiming
from runners.models import Attempt
from runners.reports import apply, read_item
from tests.concurrency import begin, held_elsewhere, result, together, wait_until_blocked
from tests.scenes import (
    FAILED,
    STARTED,
    SUCCEEDED,
    a_client,
    a_document,
    a_pipeline,
    a_runner,
    claim_all,
    job,
    report,
    standing,
    states,
)

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 100


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no wake-up leave: nothing else is to move these rows."""
    monkeypatch.setattr("pipelines.nudges.send", lambda *args, **kwargs: True)
    yield


def pairs(rounds: int, settings: Settings) -> list[Pipeline]:
    """Return pipelines whose first stage has two jobs, both running."""
    settings.QUEUE_SIZE = 2 * rounds
    a_runner(capacity=2 * rounds)
    client = a_client()
    with transaction.atomic():
        made = [a_pipeline(client, {"build": ["a", "b"], "deploy": ["c"]}) for _ in range(rounds)]
    assert len(claim_all()) == 2 * rounds
    return made


def test_two_last_jobs_that_end_in_the_same_instant_open_the_next_stage_every_time(settings: Settings) -> None:
    for pipeline in pairs(ROUNDS, settings):
        a, b = job(pipeline, "a"), job(pipeline, "b")
        # The first has looked and not committed when the second comes: neither sees the other's end.
        with transaction.atomic():
            assert report(a, SUCCEEDED) == [200]
            second = begin(partial(report, b, SUCCEEDED))
            wait_until_blocked(second)
        assert result(second) == [200]
        assert standing(pipeline) == ("IN_PROGRESS", 0, ["DONE", "READY"])
        assert job(pipeline, "c").eligible_at is not None


def test_two_last_jobs_reported_by_racing_threads_open_the_next_stage(settings: Settings) -> None:
    for pipeline in pairs(20, settings):
        a, b = job(pipeline, "a"), job(pipeline, "b")
        assert together(partial(report, a, SUCCEEDED), partial(report, b, FAILED)) == [[200], [200]]
        assert standing(pipeline) == ("ERROR", 0, ["ERROR", "CANCELLED"])


def test_a_job_claimed_while_its_pipeline_is_being_cancelled_is_asked_to_stop(settings: Settings) -> None:
    """The claim moved the job and has not committed when the cancel looks: the wish reaches it all the same."""
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a", "b"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]  # the stage is started: the next claim takes no lock of the pipeline
    settings.QUEUE_SIZE = 2
    with transaction.atomic():
        claiming.claim(now=clock.now())
        cancel = begin(lambda: cancelling.cancel_pipeline(pipeline.pk, now=clock.now()))
        wait_until_blocked(cancel)
    result(cancel)
    assert states(pipeline) == {"a": "IN_PROGRESS", "b": "IN_PROGRESS"}
    assert not Job.objects.filter(cancel_requested_at=None).exists()


def test_a_job_claimed_while_another_fails_runs_to_its_end(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a", "b", "c"]})
    (a,) = claim_all()
    assert report(a, STARTED) == [200]
    settings.QUEUE_SIZE = 2
    with transaction.atomic():
        claiming.claim(now=clock.now())
        failure = begin(lambda: report(a, FAILED))
        wait_until_blocked(failure)
    assert result(failure) == [200]
    assert states(pipeline) == {"a": "ERROR exit_code", "b": "IN_PROGRESS", "c": "CANCELLED pipeline_failed"}
    report(job(pipeline, "b"), STARTED, SUCCEEDED)
    assert standing(pipeline) == ("ERROR", 0, ["ERROR"])


def test_a_job_claimed_while_it_is_being_deleted_stays(settings: Settings) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": ["a", "b"]})
    claim_all()
    settings.QUEUE_SIZE = 2
    with transaction.atomic():
        claiming.claim(now=clock.now())
        deletion = begin(lambda: editing.delete_job(job(pipeline, "b")))
        wait_until_blocked(deletion)
    with pytest.raises(InvalidTransition):
        result(deletion)
    assert states(pipeline) == {"a": "IN_PROGRESS", "b": "IN_PROGRESS"}
    assert Attempt.objects.live().count() == 2


def test_a_job_added_while_the_last_one_ends_is_not_left_behind(settings: Settings) -> None:
    (pipeline,) = pairs(1, settings)
    spec = a_document({"build": ["late"]}).jobs[0]
    assert report(job(pipeline, "a"), SUCCEEDED) == [200]
    with transaction.atomic():
        assert report(job(pipeline, "b"), SUCCEEDED) == [200]
        addition = begin(lambda: editing.add_job(pipeline, spec=spec))
        wait_until_blocked(addition)
    with pytest.raises(InvalidTransition, match="stage is DONE"):
        result(addition)


def lies_free(subject: Job) -> bool:
    """Tell whether no other transaction holds the job's row lock."""
    with transaction.atomic():
        unlocked = Job.objects.filter(pk=subject.pk).select_for_update(no_key=True, skip_locked=True)
        return unlocked.exists()


def test_a_change_of_priority_locks_jobs_in_id_order_whatever_order_they_lie_in(settings: Settings) -> None:
    """So it cannot deadlock with a batch of reports, which keeps to that order too."""
    (pipeline,) = pairs(1, settings)
    first, last = job(pipeline, "a"), job(pipeline, "b")
    Job.objects.filter(pk=first.pk).update(message="now it lies behind the other")

    def edit() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            editing.edit_pipeline(pipeline, values={"priority": 1})

    with held_elsewhere(lambda: Job.objects.lock([first.pk])):
        editor = begin(edit)
        wait_until_blocked(editor)
        assert lies_free(last)
    result(editor)
    assert set(Job.objects.filter(stage=first.stage).values_list("pipeline_priority", flat=True)) == {1}


def test_a_late_report_of_a_job_that_waits_holds_it_up_for_nobody_who_holds_its_pipeline(settings: Settings) -> None:
    """Who stops the pipeline holds it and the job that failed, and goes on to lock those that wait."""
    settings.RETRY_BACKOFF_SECONDS = 300
    a_runner()
    pipeline = a_pipeline(a_client(), {"build": [{"name": "waits", "retry_attempt": 1}, "runs"]})
    waits, runs = claim_all()
    assert report(waits, FAILED) == [200]
    late_log = {"job": waits.pk, "attempt": 1, "event": "log", "offset": 0, "text": "bye"}
    items = [read_item(late_log), read_item({"job": runs.pk, "attempt": 1, "event": "alive"})]
    runner = Attempt.objects.filter(job=waits).values_list("runner", flat=True).get()
    with transaction.atomic():
        Pipeline.objects.lock([pipeline.pk])
        Job.objects.lock([runs.pk])
        late = begin(lambda: apply(items, allowed=None, runner=runner, now=clock.now()))  # type: ignore[arg-type]
        wait_until_blocked(late)
        assert lies_free(waits)
    assert [reply["status"] for reply in result(late)] == [200, 200]


@pytest.mark.parametrize("running", ["a", "b"])
def test_a_cancel_locks_jobs_in_id_order_whatever_their_state(settings: Settings, running: str) -> None:
    settings.QUEUE_SIZE = 1
    a_runner()
    pipeline = a_pipeline(
        a_client(), {"build": [{"name": name, "priority": int(name != running)} for name in ("a", "b")]}
    )
    assert [each.name for each in claim_all()] == [running]
    with held_elsewhere(lambda: Job.objects.lock([job(pipeline, "a").pk])):
        cancel = begin(lambda: cancelling.cancel_pipeline(pipeline.pk, now=clock.now()))
        wait_until_blocked(cancel)
        assert lies_free(job(pipeline, "b"))
    result(cancel)
