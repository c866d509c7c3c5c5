"""At no instant of a busy run is a limit passed, with two control workers and two beats alive."""

from __future__ import annotations

from tests.e2e.limits import Sampler
from tests.e2e.stack import Stack, eventually, shell

SETTINGS = {"QUEUE_SIZE": "9", "RUNNER_CAPACITY": "6"}


def test_limits_hold_at_every_instant_of_a_busy_run(stack: Stack) -> None:
    stack.another("worker", "-Q", "control", "--pool", "threads", "-c", "4", "-n", "second@%h")
    stack.another("beat", "--pidfile=")
    documents = {"stages": ["run"], "jobs": [shell(f"j{number}", "sleep 0.05") for number in range(40)]}
    made = {name: stack.command("create_client", name, "--queue-size", size) for name, size in (("a", "2"), ("b", "3"))}
    clients = [stack.as_client(each["client_id"], each["client_secret"]) for each in made.values()]
    sampler = Sampler(stack.database_url, queue_size=9)
    sampler.start()
    for api in [*clients, stack.api]:
        stack.submit(documents, api=api)
    unfinished = "SELECT count(*) FROM pipelines_pipeline WHERE finished_at IS NULL"
    eventually(lambda: stack.query(unfinished) == [(0,)], what="all to end")
    sampler.stop()
    for api in clients:
        api.close()
    assert sampler.findings == []
    assert sampler.samples > 20
    # The run was busy enough to say something: limits were reached.
    assert sampler.peaks["local"] == 6 and sampler.peaks["a"] == 2 and sampler.peaks["b"] == 3
    assert stack.query("SELECT count(*), count(DISTINCT (job_id, number)) FROM runners_attempt") == [(120, 120)]
    assert stack.query("SELECT DISTINCT state FROM pipelines_job") == [("DONE",)]
    assert stack.command("doctor") == {"ok": True, "violations": []}
