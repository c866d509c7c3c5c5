"""What the agent lets out of its process: nothing of the values that a request names."""

from __future__ import annotations

import base64
import json

import pytest

from runners.agent.attempt import Attempt
from runners.agent.command import Command
from runners.agent.exceptions import RequestError
from runners.agent.output import Budget, Output
from runners.agent.protocol import MAX_MESSAGE_BYTES, ExecuteRequest, Outcome, finished
from runners.masking import MASK, Masker
from tests.agent.runner import Runner, shell
from tests.agent.service import Service

SECRET = "correct horse battery staple"


def texts(service: Service, job: int) -> str:
    """Return all that was told of the job."""
    return json.dumps(service.record(job).items)


def test_a_secret_that_work_prints_is_masked_across_its_writes(service: Service, runner: Runner) -> None:
    command = (
        "printf 'one correct horse '; sleep 0.3; echo 'battery staple two'; printf '%s' \"$S\" | base64; echo \"a$S\""
    )
    runner.submit(shell(1, command, env={"S": SECRET}) | {"mask": [SECRET]})
    service.final(1)
    log = service.record(1).text
    assert log.startswith(f"one {MASK} two\n{MASK}") and log.endswith(f"a{MASK}\n")
    assert base64.b64encode(SECRET.encode()).decode()[:12] not in texts(service, 1)
    assert SECRET not in texts(service, 1)


def test_what_was_held_back_arrives_at_the_end(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "printf 'a correct horse'") | {"mask": [SECRET]})
    service.final(1)
    assert service.record(1).text == "a correct horse"


def test_a_line_that_begins_no_secret_arrives_while_the_work_goes_on(service: Service, runner: Runner) -> None:
    runner.submit(shell(1, "echo ready; sleep 60") | {"mask": [SECRET]})
    service.wait_for(lambda: service.record(1).text == "ready\n")
    runner.supervisor.cancel([(1, 1)])
    service.final(1)


@pytest.mark.parametrize(
    "fields",
    [
        shell(1, "true", cwd=f"/no/{SECRET}/here"),
        shell(1, "true", cwd="/no/" + "it's \\ a\tsecret"),
        shell(1, [f"{SECRET}-program"]),
    ],
)
def test_messages_are_masked(service: Service, runner: Runner, fields: dict[str, object]) -> None:
    runner.submit(fields | {"mask": [SECRET, "it's \\ a\tsecret"]})
    message = service.final(1)["message"]
    assert MASK in message
    assert SECRET not in texts(service, 1) and "it's" not in message


def test_a_message_is_masked_before_it_is_cut() -> None:
    request = ExecuteRequest(job=1, attempt=1, kind="Shell", lease_seconds=60.0, mask=(SECRET,))
    attempt = Attempt(request, now=0.0, budget=Budget())
    attempt.end_with(finished(Outcome.FAILED, message="x" * (MAX_MESSAGE_BYTES - 10) + SECRET) | {"result": [SECRET]})
    said = attempt.final_fields
    assert said["message"] == "x" * (MAX_MESSAGE_BYTES - 10) + MASK
    assert said["result"] == [MASK]


def test_a_message_without_secrets_is_cut_as_ever() -> None:
    attempt = Attempt(ExecuteRequest(job=1, attempt=1, kind="Shell", lease_seconds=60.0), now=0.0, budget=Budget())
    attempt.end_with(finished(Outcome.FAILED, message="é" * MAX_MESSAGE_BYTES))
    assert attempt.final_fields["message"] == "é" * (MAX_MESSAGE_BYTES // 2)


def test_offsets_count_the_masked_text() -> None:
    output = Output(budget=Budget(), masker=Masker([SECRET]))
    output.feed(f"é{SECRET}".encode()[:9])
    assert output.take(100) == (0, "é")
    output.feed(f"é{SECRET}!".encode()[9:])
    assert output.take(100) == (2, f"{MASK}!")
    assert output.held_bytes == len(f"é{MASK}!".encode())


@pytest.mark.parametrize("mask", [5, [5], [SECRET, None]])
def test_a_mask_that_is_none_is_no_request(mask: object) -> None:
    with pytest.raises(RequestError) as refused:
        ExecuteRequest.from_wire(shell(1) | {"mask": mask})
    assert SECRET not in str(refused.value)


def test_reprs_show_none_of_it() -> None:
    request = ExecuteRequest.from_wire(shell(1, SECRET) | {"mask": [SECRET]})
    attempt = Attempt(request, now=0.0, budget=Budget())
    command = Command(argv=(SECRET,), env={"A": SECRET}, stdin=SECRET.encode())
    assert SECRET not in repr(request) + repr(attempt) + repr(attempt.output) + repr(command)
