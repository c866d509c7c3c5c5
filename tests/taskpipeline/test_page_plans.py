"""What a page reads of the tables that grow is what it shows, however much has been before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from clients.registration import Credentials, create_client
from pipelines import cancelling, clock
from tests.api import Api, as_client, as_operator
from tests.operators import queries
from tests.scenes import a_pipeline, a_runner, claim_all

pytestmark = pytest.mark.django_db

PIPELINES, JOBS_EACH = 60, 40  # of the history: those that ended, half of them the client's own
ROWS = 600
GROWING = re.compile(r"pipelines_(pipeline|stage|job|event)|runners_(attempt|logchunk)")


@pytest.fixture
def owner() -> Credentials:
    """A client with a past, a pipeline at work and one that waits, and another with as much of a past."""
    made, other = create_client("owner"), create_client("other")
    for number in range(PIPELINES):
        client = (made, other)[number % 2].client
        over = a_pipeline(client, {"build": [f"job {job}" for job in range(JOBS_EACH)]})
        cancelling.cancel_pipeline(over.pk, now=clock.now())
    a_runner(capacity=1)
    for _ in range(2):
        a_pipeline(made.client, {"build": ["a", "b"], "deploy": ["c"]})
    claim_all()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return made


PAGES = [
    "pipelines/", "pipelines/?state=IN_PROGRESS", "pipelines/?page_size=2", "pipelines/{pipeline}/",
    "pipelines/{pipeline}/events/", "jobs/?page_size=2", "jobs/?pipeline={pipeline}", "jobs/{job}/",
    "jobs/{job}/attempts/", "jobs/{job}/log/", "me/", "queue/",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_a_client_s_page_reads_no_history(path: str, owner: Credentials) -> None:
    reads_little(as_client(owner), path, owner=owner)


@pytest.mark.parametrize("path", [*PAGES[:-2], "/admin/pipelines/pipeline/{pipeline}/change/", "runners/"])
def test_an_operator_s_page_reads_no_history(path: str, owner: Credentials) -> None:
    reads_little(as_operator(), path, owner=owner)


def reads_little(api: Api, path: str, *, owner: Credentials) -> None:
    at_work = owner.client.pipelines.get(state="IN_PROGRESS")
    names = {"pipeline": at_work.pk, "job": at_work.jobs.get(state="IN_PROGRESS").pk}
    answers: list[Any] = []
    asked = queries(lambda: answers.append(api.get(path.format(**names))))
    assert answers[0].status_code == 200
    read = {statement: sum(rows_read(statement)) for statement in asked if GROWING.search(statement)}
    assert {statement: rows for statement, rows in read.items() if rows > ROWS} == {}


def rows_read(statement: str) -> Iterator[int]:
    """Yield how many rows, or entries of an index, each part of the statement's plan looks at in growing tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.replace('%', '%%')}")
        ((plan,),) = cursor.fetchall()
    waiting = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", ())
        if GROWING.search(node.get("Relation Name", node.get("Index Name", ""))) or "Bitmap Index" in node["Node Type"]:
            looked_at = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            yield round(looked_at * node["Actual Loops"])
