"""What dies in the middle of a run costs time, never work."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from tests.e2e.stack import Stack, eventually, shell

SETTINGS = {"LEASE_SECONDS": "6", "HEARTBEAT_SECONDS": "1", "RUNNER_OFFLINE_SECONDS": "5", "STOP_GRACE_SECONDS": "2"}


def test_work_of_a_killed_runner_is_dead_before_its_next_attempt_begins(stack: Stack, tmp_path: Path) -> None:
    # Each attempt notes its shell's process, and the second looks whether the first still lives.
    command = (
        f'first=$(cat "{tmp_path}/pid" 2>/dev/null); echo $$ > "{tmp_path}/pid"; '
        f'if [ -n "$first" ]; then kill -0 "$first" 2>/dev/null && echo alive || echo dead; else sleep 300; fi'
    )
    pipeline = stack.submit({"stages": ["run"], "jobs": [shell("long", command)]})
    eventually((tmp_path / "pid").exists, what="the first attempt to run")
    job = stack.pipeline(pipeline)["stages"][0]["jobs"][0]["id"]
    eventually(
        lambda: stack.query("SELECT 1 FROM runners_attempt WHERE job_id = %s AND started_at > '-infinity'", job),
        what="started",
    )
    stack.kill("runner")
    ended = stack.ended(pipeline)
    assert ended["state"] == "DONE"
    attempts = stack.api.get(f"/jobs/{job}/attempts/").json()["results"]
    assert [attempt["outcome"] for attempt in attempts] == ["lost", "succeeded"]
    assert stack.log(job) == "dead\n"
    late = _report(stack, job, attempt=1, event="finished", outcome="succeeded")
    assert late["status"] == 409
    assert stack.api.get(f"/jobs/{job}/attempts/").json()["results"][0]["outcome"] == "lost"


def test_every_pipeline_ends_though_redis_loses_its_whole_memory(stack: Stack) -> None:
    jobs = [shell(f"j{number}", "sleep 0.1", stage="a" if number < 30 else "b") for number in range(60)]
    pipelines = [stack.submit({"stages": ["a", "b"], "jobs": jobs}) for _ in range(3)]
    for _ in range(3):
        before = _finished(stack)
        stack.broker.flushall()
        eventually(lambda: _finished(stack) > before, what="work to go on")  # noqa: B023
    assert [stack.ended(pipeline, seconds=120)["state"] for pipeline in pipelines] == ["DONE"] * 3


def test_control_worker_beat_and_web_may_be_killed(stack: Stack, tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    jobs = [shell(f"j{number}", f'echo {number} >> "{effects}"; sleep 0.1') for number in range(60)]
    pipeline = stack.submit({"stages": ["run"], "jobs": jobs})
    web = stack.process_of("web")
    for victim in ("control", "beat", "web"):
        before = _finished(stack)
        stack.kill(victim)
        eventually(lambda: _finished(stack) > before, what=f"work to go on without {victim}")  # noqa: B023
    eventually(lambda: stack.process_of("web") not in (0, web) and stack.is_ready(), what="a new web to answer")
    assert stack.ended(pipeline)["state"] == "DONE"
    assert sorted(map(int, effects.read_text().split())) == list(range(60))


def test_readiness_follows_the_broker_and_the_database(stack: Stack) -> None:
    for pid in (stack.broker_pid, _postmaster(stack)):
        eventually(stack.is_ready, what="200 while all is there")
        with stack.unattended():
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not stack.is_ready(), what="503 while an engine is gone")
        eventually(stack.is_ready, what="200 once it is back")
    pipeline = stack.submit({"stages": ["run"], "jobs": [shell("after")]})
    assert stack.ended(pipeline)["state"] == "DONE"


def _finished(stack: Stack) -> int:
    return int(stack.query("SELECT count(*) FROM pipelines_job WHERE state = 'DONE'")[0][0])


def _postmaster(stack: Stack) -> int:
    return int((stack.var_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def _report(stack: Stack, job: int, **event: object) -> dict[str, object]:
    """Report as the runner does, with its token."""
    token = (stack.var_dir / "runners" / "local.token").read_text().strip()
    response = httpx.post(
        f"{stack.url}/api/v1/reports/",
        json={"reports": [{"job": job, **event}]},
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )
    answer: dict[str, object] = response.json()["results"][0]
    return answer
