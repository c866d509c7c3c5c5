"""How PostgreSQL executes the claim's query: by the index made for it, however long the backlog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from pipelines import clock
from pipelines.models import Job
from runners import proposing
from runners.models import Attempt, Runner
from tests.scenes import a_client, a_pipeline, a_runner, claim_all

pytestmark = pytest.mark.django_db

BACKLOG = 20_000


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize(("statement", "index"), [(proposing.FRONT, "job_front"), (proposing.HEADS, "job_claim")])
def test_the_claim_reads_its_index_and_never_the_whole_table(statement: str, index: str) -> None:
    a_runner(capacity=100)
    for number in range(5):
        a_pipeline(a_client(f"client {number}"), {"build": ["seed"]})
    columns = [field.attname for field in Job._meta.concrete_fields if field.attname not in ("id", "name")]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO pipelines_job (name, {', '.join(columns)}) SELECT 'job ' || n, {', '.join(columns)} "
            "FROM pipelines_job, generate_series(1, %s) AS n WHERE name = 'seed'",
            [BACKLOG // 5],
        )
        cursor.execute("ANALYZE pipelines_job")
        rooms = [{"runner": 1, "kind": "Shell", "free": 100}]
        parameters: dict[str, Any]
        parameters = {
            "now": clock.now(),
            "room": 100,
            "depth": 400,
            "rooms": json.dumps(rooms),
            "exhausted": "[]",
            "placed": [],
        }
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        ((explained,),) = cursor.fetchall()
    scans = [node for node in nodes(explained[0]["Plan"]) if node.get("Relation Name") == "pipelines_job"]
    assert scans
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert {node["Index Name"] for node in scans} == {index, "job_in_progress", "pipelines_job_pkey"}
    # Not only the right index: a few entries of it, not the backlog.
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) < BACKLOG / 10


def test_the_use_of_runners_is_read_from_their_live_attempts_alone() -> None:
    runner = a_runner(capacity=100)
    a_pipeline(a_client(), {"build": ["seed"]})
    now = clock.now()
    seed = Job.objects.get()
    over = {"runner": runner, "claimed_at": now, "sent_at": now, "lease_until": now, "finished_at": now}
    Attempt.objects.bulk_create(Attempt(job=seed, number=n, outcome="failed", **over) for n in range(2, 5_000))
    claim_all()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE runners_attempt")
    plan = json.loads(Runner.objects.open(now).with_use().explain(format="json"))
    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "runners_attempt"]
    # Both hold nothing but live attempts; of one runner alone, either will do.
    assert scans
    assert {node.get("Index Name") for node in scans} <= {"attempt_live_of_runner", "attempt_one_live"}
