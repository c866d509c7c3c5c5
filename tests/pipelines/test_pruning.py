from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from pipelines import clock, pruning
from pipelines.models import Event, Job, Pipeline, Stage
from runners.models import Attempt, LogChunk
from tests.scenes import STARTED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, report

pytestmark = pytest.mark.django_db


def finished(count: int, *, days: float) -> list[Pipeline]:
    a_runner(capacity=count)
    client = a_client()
    made = [a_pipeline(client, {"build": ["a"]}) for _ in range(count)]
    for each in claim_all():
        assert report(each, STARTED, {"event": "log", "offset": 0, "text": "hello"}, SUCCEEDED) == [200] * 3
    Pipeline.objects.update(finished_at=clock.now() - timedelta(days=days))
    return made


def test_what_is_past_its_retention_goes_with_all_that_belongs_to_it(settings: Settings) -> None:
    settings.RETENTION_DAYS = 7
    finished(2, days=7.01)
    assert pruning.prune(now=clock.now()) == 2
    for model in (Pipeline, Stage, Job, Attempt, LogChunk, Event):
        assert not model._default_manager.exists(), model


def test_what_is_younger_or_has_not_ended_stays(settings: Settings) -> None:
    settings.RETENTION_DAYS = 7
    finished(1, days=6.99)
    waiting = a_pipeline(a_client("bob"), {"build": ["a"]})
    Pipeline.objects.filter(pk=waiting.pk).update(created_at=clock.now() - timedelta(days=100))
    assert pruning.prune(now=clock.now()) == 0
    assert Pipeline.objects.count() == 2


def test_it_goes_in_batches_each_its_own_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BATCH", 2)
    batches: list[int] = []
    delete = pruning.delete_pipelines

    def counted(ids: list[int]) -> int:
        batches.append(len(ids))
        return delete(ids)

    monkeypatch.setattr(pruning, "delete_pipelines", counted)
    finished(5, days=100)
    assert pruning.prune(now=clock.now()) == 5
    assert batches == [2, 2, 1]


def test_a_pipeline_that_has_not_ended_is_not_deleted() -> None:
    pipeline = a_pipeline(a_client(), {"build": ["a"]})
    assert pruning.delete_pipelines([pipeline.pk]) == 0
    assert Job.objects.exists()


def test_a_rerun_outlives_what_it_is_a_rerun_of() -> None:
    (first,) = finished(1, days=100)
    second = a_pipeline(a_client("bob"), {"build": ["a"]})
    Pipeline.objects.filter(pk=second.pk).update(rerun_of=first)
    assert pruning.prune(now=clock.now()) == 1
    second.refresh_from_db()
    assert second.rerun_of is None
