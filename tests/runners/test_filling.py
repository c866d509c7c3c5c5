"""Secrets in params: resolved for the execute request, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from clients import vault
from clients.models import Client, NamedSecret
from pipelines import clock
from pipelines.models import Event, Job, Pipeline
from runners import dispatch
from runners.claiming import Claim
from runners.executors import server
from runners.filling import Filled, Unfillable
from runners.models import Attempt
from tests.recorder import Recorder
from tests.scenes import STARTED, a_client, a_pipeline, a_runner, claim_all, report
from tests.secretive import TEXTS, login, registered

pytestmark = pytest.mark.django_db

VALUE = "correct horse battery staple"
PARAMS = {"command": "echo ${{ secrets.TOKEN }}", "env": {"A": "x${{ secrets.PIN }}"}}


@pytest.fixture
def client() -> Client:
    client = a_client()
    vault.put(client, name="TOKEN", value=VALUE)
    vault.put(client, name="PIN", value="123")
    return client


def asking(client: Client, *, params: dict[str, Any] | None = None, **fields: Any) -> Pipeline:
    return a_pipeline(client, {"s": [{"name": "a", "params": params or PARAMS, **fields}]})


def ended(pipeline: Pipeline) -> tuple[Job, Attempt]:
    subject = Job.objects.get(pipeline=pipeline)
    return subject, Attempt.objects.filter(job=subject).latest("number")


def test_the_request_has_the_values_and_says_what_to_mask(client: Client, told: Recorder) -> None:
    a_runner()
    asking(client)
    (job,) = claim_all()
    ((_, request),) = told.requests
    assert request["params"] == {"command": f"echo {VALUE}", "env": {"A": "x123"}}
    assert request["mask"] == [VALUE]  # too short a value is not masked
    job.refresh_from_db()
    assert job.params == PARAMS
    assert VALUE not in repr(list(Event.objects.values())) + repr(list(Attempt.objects.values()))


def test_a_request_without_secrets_is_as_ever_and_costs_no_query(
    client: Client, told: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reveal(*_: object) -> None:
        raise AssertionError("nothing refers to a secret")

    monkeypatch.setattr(NamedSecret.objects, "filter", reveal)
    a_runner()
    asking(client, params={"command": "echo $TOKEN"})
    claim_all()
    assert "mask" not in told.requests[0][1]


def test_each_job_gets_its_own_client_s_values(client: Client, told: Recorder) -> None:
    other = a_client("bob")
    vault.put(other, name="TOKEN", value="of another client")
    a_runner()
    asking(client)
    asking(other, params={"command": "${{ secrets.TOKEN }}"})
    claim_all()
    commands = {request["params"]["command"] for _, request in told.requests}
    assert commands == {f"echo {VALUE}", "of another client"}


def test_a_secret_deleted_meanwhile_ends_the_job_with_a_reason(client: Client, told: Recorder) -> None:
    a_runner()
    pipeline = asking(client)
    vault.delete(client, name="TOKEN")
    claim_all()
    job, attempt = ended(pipeline)
    assert (attempt.outcome, attempt.reason, attempt.started_at) == ("failed", "secret_missing", None)
    assert (job.state, job.reason) == ("ERROR", "secret_missing")
    assert "TOKEN" in job.message
    assert not told.requests
    pipeline.refresh_from_db()
    assert pipeline.state == "ERROR"


def test_it_is_tried_again_within_its_retries_and_may_then_be_there(
    client: Client, told: Recorder, settings: Settings
) -> None:
    settings.RETRY_BACKOFF_SECONDS = 0
    a_runner()
    pipeline = asking(client, retry_attempt=1)
    vault.delete(client, name="TOKEN")
    claim_all()
    job, _ = ended(pipeline)
    assert (job.state, job.failures) == ("READY", 1)
    vault.put(client, name="TOKEN", value=VALUE)
    claim_all()
    assert told.started == [(job.pk, 2)]


def test_others_of_the_same_claim_are_sent(client: Client, told: Recorder) -> None:
    a_runner()
    asking(client)
    fine = a_pipeline(client, {"s": ["b"]})
    vault.delete(client, name="TOKEN")
    claim_all()
    assert told.started == [(fine.jobs.get().pk, 1)]


def test_one_whose_key_is_gone_says_so(client: Client, told: Recorder, settings: Settings) -> None:
    a_runner()
    pipeline = asking(client)
    settings.SECRET_KEY = "another key"
    claim_all()
    job, attempt = ended(pipeline)
    assert (job.state, attempt.reason) == ("ERROR", "secret_unreadable")
    assert "TOKEN" in attempt.message or "PIN" in attempt.message


@pytest.mark.parametrize(
    ("params", "value", "words"),
    [
        # 128 KiB in one argument is what Linux takes.
        ({"command": ["echo", "${{ secrets.TOKEN }}" * 3]}, "hunter2" * 9000, "params/command/1"),
        (
            {"command": "cat", "cwd": "/${{ secrets.TOKEN }}", "stdin": "${{ secrets.TOKEN }}" * 100},
            "hunter2" * 9000,
            "too large",
        ),
        ({"command": "x", "shell": "${{ secrets.TOKEN }}"}, "hunter2 'open", "params/shell"),
    ],
)
def test_what_is_not_valid_once_filled_in_is_told_without_the_value(
    client: Client, told: Recorder, params: dict[str, Any], value: str, words: str
) -> None:
    vault.put(client, name="TOKEN", value=value)
    a_runner()
    pipeline = asking(client, params=params)
    claim_all()
    job, attempt = ended(pipeline)
    assert (job.state, attempt.reason) == ("ERROR", "secret_unusable")
    assert words in attempt.message and "hunter2" not in attempt.message
    assert not told.requests


def test_a_request_sent_again_that_has_started_after_all_is_left_alone(client: Client, told: Recorder) -> None:
    a_runner()
    pipeline = asking(client)
    (job,) = claim_all()
    attempt = Attempt.objects.get()
    assert report(job, STARTED) == [200]
    vault.delete(client, name="TOKEN")
    dispatch.send([Claim(job=job.pk, attempt=1, runner=attempt.runner_id or 0)])
    assert ended(pipeline)[1].outcome == ""


def test_a_cancelled_job_whose_secret_is_gone_ends_cancelled(client: Client, told: Recorder) -> None:
    a_runner()
    pipeline = asking(client)
    (job,) = claim_all()
    Job.objects.filter(pk=job.pk).update(cancel_requested_at=clock.now())
    vault.delete(client, name="TOKEN")
    dispatch.send([Claim(job=job.pk, attempt=1, runner=Attempt.objects.get().runner_id or 0)])
    assert ended(pipeline)[0].state == "CANCELLED"


def test_params_marked_secret_are_masked_in_logs_too(told: Recorder) -> None:
    with registered():
        a_runner()
        a_pipeline(a_client(), {"build": [login()]})
        claim_all()
    assert set(told.requests[0][1]["mask"]) == TEXTS


def test_celery_shows_nothing_of_a_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(server, "send", lambda *args, **options: sent.append(options))
    request: Any = {"params": {"command": VALUE}, "mask": [VALUE]}
    server.ServerExecutor().execute("local", [request])
    assert sent[0]["shown"] == "<1 execute requests>"


def test_reprs_show_no_value() -> None:
    filled = Filled(work=None, secrets={"TOKEN": VALUE}, mask=(VALUE,))  # type: ignore[arg-type]
    assert VALUE not in repr(filled) + repr(Unfillable("secret_missing", "There is no secret TOKEN"))


def test_the_doctor_finds_nothing_wrong_afterwards(client: Client, told: Recorder) -> None:
    a_runner()
    asking(client, allow_failure=True)
    vault.delete(client, name="TOKEN")
    claim_all()
    call_command("doctor")
