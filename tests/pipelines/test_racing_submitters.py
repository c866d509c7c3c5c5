"""Fifty submitters at the same moment, over real HTTP and two web processes: no limit is passed, nothing is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from clients.registration import Credentials, create_client
from pipelines.models import Job, Pipeline
from tests.api import ROOT, document, shell
from tests.web import Address, gunicorn

pytestmark = pytest.mark.django_db(transaction=True)

SUBMITTERS = 50
SERVICE_LIMIT = 61
TWO_JOBS = document(shell("a"), shell("b"))
PATIENCE_SECONDS = 60


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Address]:
    with gunicorn(tmp_path, workers=2, MAX_READY_JOBS=str(SERVICE_LIMIT)) as address:
        yield address


def submit_all(address: Address, who: Callable[[int], Credentials], key: Callable[[int], str]) -> list[httpx.Response]:
    """Have the submitters begin in the same instant, each over a connection of its own; return what each was told."""
    line = threading.Barrier(SUBMITTERS, timeout=PATIENCE_SECONDS)

    def submit(number: int) -> httpx.Response:
        made = who(number)
        with httpx.Client(
            base_url="http://{}:{}".format(*address),
            auth=(made.client_id, made.client_secret),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        ) as connection:
            line.wait()
            while True:
                answer = connection.post(f"{ROOT}pipelines/", json=TWO_JOBS, headers={"Idempotency-Key": key(number)})
                if answer.status_code != 409:  # the same request is still under way elsewhere
                    return answer

    with ThreadPoolExecutor(SUBMITTERS) as pool:
        return list(pool.map(submit, range(SUBMITTERS)))


def test_no_limit_is_passed_and_no_accepted_pipeline_is_lost(server: Address) -> None:
    of_one_client(server)
    Pipeline.objects.all().delete()
    of_the_service(server)
    Pipeline.objects.all().delete()
    of_repeated_requests(server)


def of_one_client(server: Address) -> None:
    owner = create_client("owner", max_ready_jobs=41)
    answers = submit_all(server, lambda _: owner, lambda number: f"one-{number}")
    assert Counter(answer.status_code for answer in answers) == {201: 20, 429: 30}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.json()["scope"] == "client" and int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    kept(answers)
    assert Job.objects.count() == 40


def of_the_service(server: Address) -> None:
    clients = [create_client(f"client {number}") for number in range(5)]
    answers = submit_all(server, lambda number: clients[number % 5], lambda number: f"all-{number}")
    assert Counter(answer.status_code for answer in answers) == {201: 30, 503: 20}
    assert all(answer.json()["scope"] == "service" for answer in answers if answer.status_code == 503)
    kept(answers)
    assert Job.objects.count() == SERVICE_LIMIT - 1


def of_repeated_requests(server: Address) -> None:
    """Five of each request, as a client's that gave up waiting: one makes the pipeline, the others are told of it."""
    impatient = create_client("impatient", max_ready_jobs=20)
    answers = submit_all(server, lambda _: impatient, lambda number: f"same-{number % 10}")
    assert Counter(answer.status_code for answer in answers) == {201: SUBMITTERS}
    by_key = Counter((number % 10, answer.headers["Location"]) for number, answer in enumerate(answers))
    assert set(by_key.values()) == {5}
    assert Counter("Idempotency-Replayed" in answer.headers for answer in answers) == {False: 10, True: 40}
    kept(answers)


def kept(answers: list[httpx.Response]) -> None:
    """See that what was accepted is there, whole and once, and nothing else."""
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    there = {pipeline.pk: pipeline.jobs.count() for pipeline in Pipeline.objects.all()}
    assert there == dict.fromkeys(accepted, 2)
