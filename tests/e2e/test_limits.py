"""At no instant of a busy run is a limit passed, with two control workers and two beats alive."""

from __future__ import annotations

from tests.e2e.stack import Stack, shell

SETTINGS = {"QUEUE_SIZE": "9", "RUNNER_CAPACITY": "6"}

# One statement, so one snapshot: who holds how much of what at this instant.
IN_USE = """
SELECT 'service', count(*), 9 FROM pipelines_job WHERE state = 'IN_PROGRESS'
UNION ALL
SELECT client.name, count(job.id), client.queue_size FROM clients_client client
LEFT JOIN pipelines_job job ON job.client_id = client.id AND job.state = 'IN_PROGRESS'
WHERE client.queue_size IS NOT NULL GROUP BY client.id
UNION ALL
SELECT runner.name, count(attempt.id), runner.capacity FROM runners_runner runner
LEFT JOIN runners_attempt attempt ON attempt.runner_id = runner.id AND attempt.outcome = '' GROUP BY runner.id
"""


def test_limits_hold_at_every_instant_of_a_busy_run(stack: Stack) -> None:
    stack.another("worker", "-Q", "control", "--pool", "threads", "-c", "4", "-n", "second@%h")
    stack.another("beat", "--pidfile=")
    documents = {"stages": ["run"], "jobs": [shell(f"j{number}", "sleep 0.05") for number in range(40)]}
    made = {name: stack.command("create_client", name, "--queue-size", size) for name, size in (("a", "2"), ("b", "3"))}
    clients = [stack.as_client(each["client_id"], each["client_secret"]) for each in made.values()]
    for api in [*clients, stack.api]:
        stack.submit(documents, api=api)
    samples = 0
    peaks: dict[str, int] = {}
    while stack.query("SELECT count(*) FROM pipelines_pipeline WHERE finished_at IS NULL") != [(0,)]:
        for name, in_use, limit in stack.query(IN_USE):
            assert in_use <= limit, f"{name} uses {in_use} of {limit}"
            peaks[name] = max(peaks.get(name, 0), in_use)
        samples += 1
    for api in clients:
        api.close()
    assert samples > 20
    # The run was busy enough to say something: limits were reached.
    assert peaks["local"] == 6 and peaks["a"] == 2 and peaks["b"] == 3
    assert stack.query("SELECT count(*), count(DISTINCT (job_id, number)) FROM runners_attempt") == [(120, 120)]
    assert stack.query("SELECT DISTINCT state FROM pipelines_job") == [("DONE",)]
    assert stack.command("doctor") == {"ok": True, "violations": []}
