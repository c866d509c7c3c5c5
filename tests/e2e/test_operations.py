"""What operators do to a service that works."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.e2e.backup import back_up, restore
from tests.e2e.load import Load
from tests.e2e.stack import PATIENCE_SECONDS, Stack, eventually, shell

SETTINGS = {
    "LEASE_SECONDS": "20",
    "HEARTBEAT_SECONDS": "1",
    "RUNNER_OFFLINE_SECONDS": "5",
    "STOP_GRACE_SECONDS": "5",
    "DIVIDE_INLINE_MAX_JOBS": "5",
}


def test_web_is_reloaded_without_a_request_lost(stack: Stack, tmp_path: Path) -> None:
    master = stack.process_of("web")
    silent = stack.submit({"stages": ["run"], "jobs": [shell("silent", "sleep 600")]})
    (job,) = stack.pipeline(silent)["stages"][0]["jobs"]

    def wait_for_log() -> int:
        return stack.api.get(f"/jobs/{job['id']}/log/", params={"wait": "5"}).status_code

    with Load(stack, effects=tmp_path / "effects") as load, ThreadPoolExecutor() as pool:
        load.goes_on()
        before = _children(master)
        waiting = [pool.submit(wait_for_log) for _ in range(4)]
        assert stack.is_ready()  # they are on their way by now
        os.kill(master, signal.SIGHUP)
        eventually(lambda: not before & _children(master), what="the workers to be replaced")
        assert [request.result(PATIENCE_SECONDS) for request in waiting] == [200] * len(waiting)
        load.goes_on()
    assert (load.failed, load.cut, load.refused) == ([], [], 0)
    assert stack.process_of("web") == master
    _all_done_once(stack, load, effects=tmp_path / "effects")
    stack.api.post(f"/pipelines/{silent}/cancel/")
    assert stack.ended(silent)["state"] == "CANCELLED"


def test_every_part_is_restarted_under_load_and_nothing_is_lost(stack: Stack, tmp_path: Path) -> None:
    with Load(stack, effects=tmp_path / "effects") as load:
        load.goes_on()
        for part in ("beat", "control", "runner", "web"):
            if part == "web":
                # Until here no request has met anything but a service that works.
                assert (load.failed, load.cut, load.refused) == ([], [], 0)
            load.has_work_running()
            old = stack.process_of(part)
            os.kill(old, signal.SIGTERM)
            eventually(lambda: stack.process_of(part) not in (0, old), what=f"a new {part}")  # noqa: B023
            load.goes_on()
    assert load.failed == []
    _all_done_once(stack, load, effects=tmp_path / "effects")


def test_runners_whose_clocks_are_an_hour_off_work_as_any_other(stack: Stack) -> None:
    pipelines = {}
    for name, offset_seconds in (("ahead", 3600), ("behind", -3600)):
        made = stack.command("create_runner", name, "--type", "server")
        client = stack.command("create_client", name, "--runner", name)
        token = made["token"]
        stack.another_runner(name, token=token, broker_url=stack.broker_url, clock_offset_seconds=offset_seconds)
        jobs = [shell("long", "sleep 2"), shell("endless", "sleep 600", timeout=1, allow_failure=True)]
        with stack.as_client(client["client_id"], client["client_secret"]) as api:
            pipelines[name] = stack.submit({"stages": ["run"], "jobs": jobs}, api=api)
    for name, pipeline in pipelines.items():
        ended = "SELECT state FROM pipelines_pipeline WHERE id = %s AND finished_at IS NOT NULL"
        assert eventually(lambda: stack.query(ended, pipeline), what="its jobs to end") == [("DONE",)]  # noqa: B023
        attempts = stack.query(
            "SELECT a.outcome, a.runner_name, abs(extract(epoch FROM now() - a.started_at)) < 600 "
            "AND abs(extract(epoch FROM now() - a.finished_at)) < 600 FROM runners_attempt a "
            "JOIN pipelines_job j ON j.id = a.job_id WHERE j.pipeline_id = %s ORDER BY j.id",
            pipeline,
        )
        assert attempts == [("succeeded", name, True), ("timed_out", name, True)]
    assert stack.command("doctor")["ok"]


def test_a_backup_of_the_middle_of_a_run_is_restored_and_everything_ends(stack: Stack, tmp_path: Path) -> None:
    gate = f'until test -e "{tmp_path}/gate"; do sleep 0.05; done'
    held = [shell(f"held {n}", f'touch "{tmp_path}/held-{n}"; {gate}') for n in range(2)]
    again = shell("again", f'test "$TASKPIPELINE_ATTEMPT" -gt 1 || exit 1; {gate}', retry_attempt=1)
    running = stack.submit({"stages": ["run", "later"], "jobs": [*held, again, shell("later", stage="later")]})
    stubborn = shell("stubborn", f"trap '' TERM; touch '{tmp_path}/stubborn'; while :; do sleep 1; done")
    cancelled = stack.submit({"stages": ["run"], "jobs": [stubborn]})
    for name in ("held-0", "held-1", "stubborn"):
        eventually((tmp_path / name).exists, what=f"{name} to run")
    assert stack.api.post(f"/pipelines/{cancelled}/cancel/").status_code == 202
    control = stack.process_of("control")
    os.kill(control, signal.SIGSTOP)  # so that one is not divided yet, and one job of it is no more than accepted
    try:
        undivided = stack.submit({"stages": ["run"], "jobs": [shell(f"j{n}") for n in range(8)]})
        assert stack.query("SELECT divided FROM pipelines_pipeline WHERE id = %s", undivided) == [(False,)]
        dump = back_up(stack.database_url, tmp_path / "backup")
    finally:
        os.kill(control, signal.SIGCONT)
    (tmp_path / "gate").touch()
    ids = [running, cancelled, undivided]
    restore(dump, stack.var_dir, into=tmp_path / "restored" / "var")
    with Stack(tmp_path / "restored" / "var", **{**SETTINGS, "LEASE_SECONDS": "4"}) as restored:
        states = [restored.ended(pipeline)["state"] for pipeline in ids]
        assert states == ["DONE", "CANCELLED", "DONE"]
        attempts = "SELECT outcome FROM runners_attempt a JOIN pipelines_job j ON j.id = job_id WHERE pipeline_id = %s"
        assert ("lost",) in restored.query(attempts, running)  # its runner is not the one that is there now
        assert restored.ended(restored.submit({"stages": ["run"], "jobs": [shell("new")]}))["id"] > max(ids)
        assert restored.command("doctor") == {"ok": True, "violations": []}
    assert [stack.ended(pipeline)["state"] for pipeline in ids] == ["DONE", "CANCELLED", "DONE"]


def _all_done_once(stack: Stack, load: Load, *, effects: Path) -> None:
    """See that every pipeline is there once and ended well, each of its jobs having run once."""
    states = "SELECT id, name, state FROM pipelines_pipeline WHERE id = ANY(%s) AND finished_at IS NOT NULL"
    eventually(lambda: len(stack.query(states, load.submitted)) == len(load.submitted), what="all to end", seconds=120)
    ended = stack.query(states, load.submitted)
    assert {state for *_, state in ended} == {"DONE"}
    names = [name for _, name, _ in ended]
    assert len(set(names)) == len(names)
    expected = [f"{name}-{n}-{what}" for name in names for n in range(2) for what in ("begun", "done")]
    assert sorted(effects.read_text().split()) == sorted(expected)
    # What a runner had not begun when it was told to stop, it gave back.
    outcomes = "SELECT DISTINCT outcome FROM runners_attempt a JOIN pipelines_job j ON j.id = job_id "
    found = stack.query(outcomes + "WHERE pipeline_id = ANY(%s)", load.submitted)
    assert {outcome for (outcome,) in found} <= {"succeeded", "returned"}


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
