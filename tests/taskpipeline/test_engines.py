from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from taskpipeline.engines import Urls, binaries, processes, records, running
from taskpipeline.engines.account import Account, own
from taskpipeline.engines.embedded import Engines, clear, start
from taskpipeline.engines.exceptions import EngineError
from taskpipeline.engines.launcher import CAP_DAC_READ_SEARCH
from taskpipeline.engines.spawn import spawn

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start PostgreSQL as another user")

Start = Callable[..., Engines]
Hold = Callable[..., tuple[subprocess.Popen[str], Urls]]


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    return tmp_path / "a path with spaces" / "var"


@pytest.fixture
def engines() -> Iterator[Start]:
    """Start engines that are stopped when the test ends, however it ends."""
    started: list[Engines] = []

    def begin(var_dir: Path, *, postgres: bool = True, redis: bool = True) -> Engines:
        started.append(start(var_dir, postgres=postgres, redis=redis, durable=False))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


@pytest.fixture
def holder() -> Iterator[Hold]:
    """Start engines in a process of their own, as a supervisor that can be killed."""
    held: list[subprocess.Popen[str]] = []

    def hold(var_dir: Path, *arguments: str) -> tuple[subprocess.Popen[str], Urls]:
        argv = [sys.executable, "-m", "tests.taskpipeline.engine_holder", str(var_dir), *arguments]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        held.append(process)
        assert process.stdout
        database_url, redis_url = process.stdout.readline().split()
        return process, Urls(database_url, redis_url)

    yield hold
    for process in held:
        process.terminate()
        process.communicate()


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def left_of(var_dir: Path) -> list[processes.Process]:
    return [
        *processes.working_in(var_dir / "postgres" / "data", command="postgres"),
        *processes.working_in(var_dir / "redis", command="redis-server"),
    ]


def test_it_serves_both_engines_and_leaves_nothing_behind(engines: Start, var_dir: Path) -> None:
    started = engines(var_dir)
    sockets = [engine.socket_dir for engine in started.members]

    assert str(query(started.urls.database_url, "SHOW server_version")).startswith("18.")
    assert redis.Redis.from_url(started.urls.redis_url).ping()
    assert running(var_dir) == started.urls
    assert left_of(var_dir)

    started.stop()

    assert running(var_dir) is None
    assert left_of(var_dir) == []
    assert [path for path in sockets if path.exists()] == []


def test_what_was_written_is_there_after_a_restart(engines: Start, var_dir: Path) -> None:
    first = engines(var_dir)
    query(first.urls.database_url, "CREATE TABLE kept AS SELECT 7 AS value")
    first.stop()

    assert query(engines(var_dir).urls.database_url, "SELECT value FROM kept") == 7


@pytest.mark.parametrize("arguments", [(), ("--orphans",)], ids=["ending by themselves", "orphans"])
def test_a_start_after_kill_9_ends_what_was_left(
    engines: Start, holder: Hold, var_dir: Path, arguments: tuple[str, ...]
) -> None:
    process, urls = holder(var_dir, *arguments)
    query(urls.database_url, "CREATE TABLE kept AS SELECT 7 AS value")
    before = records.read(var_dir)
    process.kill()
    process.wait()

    started = engines(var_dir)

    assert query(started.urls.database_url, "SELECT value FROM kept") == 7
    assert [entry for entry in before.values() if entry.alive()] == []
    assert [entry for entry in before.values() if Path(entry.socket_dir).exists()] == []


def test_the_engines_end_with_a_killed_supervisor(holder: Hold, var_dir: Path) -> None:
    process, _ = holder(var_dir)
    process.kill()
    process.wait()

    wait_until(lambda: left_of(var_dir) == [])
    clear(var_dir)


def test_one_var_dir_has_one_holder(engines: Start, var_dir: Path) -> None:
    first = engines(var_dir)

    with pytest.raises(EngineError, match="belong to another process"):
        start(var_dir)

    assert running(var_dir) == first.urls


def test_two_var_dirs_run_side_by_side(engines: Start, tmp_path: Path) -> None:
    one, two = engines(tmp_path / "one"), engines(tmp_path / "two")
    query(one.urls.database_url, "CREATE TABLE only_here ()")

    assert query(two.urls.database_url, "SELECT to_regclass('only_here')") is None
    assert query(one.urls.database_url, "SELECT to_regclass('only_here')::text") == "only_here"


def test_only_the_engine_asked_for_is_started(engines: Start, var_dir: Path) -> None:
    started = engines(var_dir, postgres=False)

    assert running(var_dir) == Urls(redis_url=started.urls.redis_url)
    assert not (var_dir / "postgres").exists()


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_dead_engine_is_revived_at_its_old_address(engines: Start, var_dir: Path, name: str) -> None:
    started = engines(var_dir)
    urls = started.urls
    engine = next(engine for engine in started.members if engine.name == name)
    assert engine.process
    assert started.poll() == []

    engine.process.kill()
    engine.process.wait()
    assert started.poll() == [engine]
    started.revive(engine)

    assert started.poll() == []
    assert running(var_dir) == urls
    assert query(urls.database_url, "SELECT 1") == 1
    assert redis.Redis.from_url(urls.redis_url).ping()


def test_a_postmaster_pid_that_now_belongs_to_somebody_else_is_forgotten(engines: Start, var_dir: Path) -> None:
    engines(var_dir, redis=False).stop()
    shutil.copy(var_dir / "postgres" / "data" / "PG_VERSION", var_dir / "postgres" / "data" / "postmaster.pid")
    with subprocess.Popen(["sleep", "600"]) as other:
        (var_dir / "postgres" / "data" / "postmaster.pid").write_text(f"{other.pid}\n")

        started = engines(var_dir, redis=False)

        assert query(started.urls.database_url, "SELECT 1") == 1
        assert other.poll() is None
        other.kill()


def test_a_shell_that_stands_in_the_state_is_not_ended(engines: Start, var_dir: Path) -> None:
    engines(var_dir).stop()
    with subprocess.Popen(["sleep", "600"], cwd=var_dir / "redis") as shell:
        engines(var_dir).stop()

        assert shell.poll() is None
        shell.kill()


def test_an_engine_that_does_not_start_takes_the_others_down(var_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskpipeline.engines.binaries.redis_server", lambda: Path("/bin/false"))

    with pytest.raises(EngineError, match="redis did not start"):
        start(var_dir, durable=False)

    assert left_of(var_dir) == []
    assert running(var_dir) is None


def test_a_cluster_of_another_version_is_refused(engines: Start, var_dir: Path) -> None:
    engines(var_dir, redis=False).stop()
    (var_dir / "postgres" / "data" / "PG_VERSION").write_text("17\n")

    with pytest.raises(EngineError, match="was made by PostgreSQL 17"):
        start(var_dir, redis=False, durable=False)


@as_root
@pytest.mark.parametrize("missing", [(), (CAP_DAC_READ_SEARCH,)], ids=["all rights", "those of an ordinary container"])
def test_root_starts_it_below_a_closed_directory(holder: Hold, tmp_path: Path, missing: tuple[int, ...]) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    wheel = binaries.postgres_home().parent
    left_out = shutil.ignore_patterns("include", "bitcode", "pginstall", "*.py")
    for folder in (wheel, wheel.with_suffix(".libs")):
        shutil.copytree(folder, closed / folder.name, ignore=left_out)
    home = closed / wheel.name / binaries.postgres_home().name

    _, urls = holder(
        closed / "var", f"--postgres-home={home}", *(f"--without-capability={number}" for number in missing)
    )

    assert query(urls.database_url, "SELECT 1") == 1
    status = Path(f"/proc/{records.read(closed / 'var')['postgres'].pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0


@as_root
def test_an_ordinary_user_starts_it(tmp_path: Path) -> None:
    nobody = Account(65534, 65534)
    home = tmp_path / "home"
    own(home, account=nobody)
    script = "import sys\nfrom pathlib import Path\nfrom taskpipeline.engines.embedded import start\n"
    script += "engines = start(Path(sys.argv[1]), durable=False)\nprint(engines.urls)\nengines.stop()\n"
    with (tmp_path / "output").open("wb") as output:
        process = spawn(
            [sys.executable, "-c", script, home / "var"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            cwd=home,
            output=output,
            death_signal=signal.SIGKILL,
            account=nobody,
            needs=[Path(sys.executable), ROOT, home],
        )
        assert process.wait(60) == 0, (tmp_path / "output").read_text()

    assert "postgresql://" in (tmp_path / "output").read_text()
    assert (home / "var" / "postgres" / "data").stat().st_uid == nobody.uid


def test_running_is_cheap_and_needs_no_django() -> None:
    script = """
import sys, types
sys.modules["taskpipeline"] = package = types.ModuleType("taskpipeline")  # without its __init__, which starts Celery
package.__path__ = ["taskpipeline"]
import taskpipeline.engines
print({"django", "subprocess", "psycopg", "tempfile"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"redis": {"url": 1}}', '{"redis": 5}'])
def test_a_file_that_cannot_be_read_means_nothing_runs(tmp_path: Path, content: str) -> None:
    (tmp_path / records.FILE).write_text(content)

    assert running(tmp_path) is None


def test_a_later_process_of_the_same_number_is_not_the_engine(tmp_path: Path) -> None:
    mine = processes.Process.of(os.getpid())
    assert mine
    entry = records.Entry("unix:///nowhere", "/nowhere", pid=mine.pid, started=mine.started)
    records.write(tmp_path, {"redis": entry})
    assert running(tmp_path) == Urls(redis_url="unix:///nowhere")

    records.write(tmp_path, {"redis": records.Entry("unix:///nowhere", "/nowhere", pid=mine.pid, started="1")})

    assert running(tmp_path) is None


def wait_until(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
