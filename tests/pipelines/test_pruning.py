from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from clients.registration import create_client
from pipelines import clock, pruning
from pipelines.models import Event, IdempotencyKey, Job, Pipeline, Stage
from runners.models import Attempt, LogChunk
from tests.api import Api, as_client, document, shell
from tests.scenes import STARTED, SUCCEEDED, a_client, a_pipeline, a_runner, claim_all, report

pytestmark = pytest.mark.django_db


# How the rows of a pipeline are found in each table.
PATHS = {LogChunk: "attempt__job__pipeline", Attempt: "job__pipeline"}


@pytest.fixture
def api(db: None) -> Api:
    return as_client(create_client("owner"))


def rows_of(model: Any, pipeline: Pipeline) -> int:
    return int(model._default_manager.filter(**{PATHS.get(model, "pipeline"): pipeline}).count())


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


@pytest.mark.parametrize("bound", ["_BATCH", "_BATCH_JOBS"])
def test_it_goes_in_batches_each_its_own_transaction(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, bound, 2)
    batches: list[int] = []
    delete = pruning.delete_pipelines

    def counted(ids: list[int]) -> int:
        batches.append(len(ids))
        return delete(ids)

    monkeypatch.setattr(pruning, "delete_pipelines", counted)
    finished(5, days=100)
    assert pruning.prune(now=clock.now()) == 5
    assert batches == [2, 2, 1]


def test_a_pipeline_of_more_jobs_than_a_batch_goes_nevertheless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "_BATCH_JOBS", 0)
    finished(2, days=100)
    assert pruning.prune(now=clock.now()) == 2


def test_nothing_of_a_pipeline_is_left_in_any_table(api: Api, django_assert_max_num_queries: Any) -> None:
    sent = document(*(shell(f"j{n}") for n in range(30)), labels={"a": "b"})
    for key in ("first", "second"):
        assert api.post("pipelines/", sent, Idempotency_Key=key).status_code == 201
    a_runner(capacity=60)
    for each in claim_all():
        assert report(each, STARTED, {"event": "log", "offset": 0, "text": "hello"}, SUCCEEDED) == [200] * 3
    first, second = Pipeline.objects.order_by("pk")
    of_second = {model: rows_of(model, second) for model in (Stage, Job, Attempt, LogChunk, Event, IdempotencyKey)}
    # However many jobs: a statement a table, for the jobs and then for what hangs on the pipeline alone.
    with django_assert_max_num_queries(25) as asked:
        assert pruning.delete_pipelines([first.pk]) == 1
    assert not [query["sql"] for query in asked if '"stage_id" IN' in query["sql"]]  # no index finds jobs so
    for model, rows in of_second.items():
        assert (rows_of(model, first), rows_of(model, second)) == (0, rows), model
        assert rows > 0


def test_what_protects_a_pipeline_keeps_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (pipeline,) = finished(1, days=100)
    # As a table would that an app of somebody else's hangs on jobs.
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE theirs (job bigint REFERENCES pipelines_job)")
        cursor.execute("INSERT INTO theirs SELECT id FROM pipelines_job")
    with pytest.raises(IntegrityError), transaction.atomic():
        pruning.delete_pipelines([pipeline.pk])
    assert LogChunk.objects.exists()


def test_the_reruns_of_a_pipeline_are_found_by_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT 1 FROM pipelines_pipeline WHERE rerun_of_id = 1")
        assert "pipeline_rerun_of" in str(cursor.fetchall())


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
