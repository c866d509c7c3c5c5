"""What is done to the stack; each fault is one function of the scene and of chance, and leaves all in working order."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable

import psycopg
import redis

from tests.chaos.scene import LEASE_SECONDS, OTHER, OWN, Scene

Fault = Callable[[Scene, random.Random], None]

_CHILDREN = ("web", "control", "beat", "runner")
# Longer than a lease, so that work in the hands of who is away is taken back meanwhile.
_AWAY_SECONDS = LEASE_SECONDS + 1.5
_CUTS = 8
_CUT_PAUSE_SECONDS = 0.1
_LOSING_SECONDS = 2.0
_FULL_SECONDS = 1.5
# Of what a report that comes again may be told.
_REPLAYED = {200, 404, 409, 416}


def _signals(child: str, number: signal.Signals) -> Fault:
    def fault(scene: Scene, chance: random.Random) -> None:
        scene.kill(scene.pid_of(child), number)

    return fault


def kill_the_other_runner(scene: Scene, chance: random.Random) -> None:
    scene.other.end(signal.SIGKILL)
    scene.other.start()


def stop_the_other_runner(scene: Scene, chance: random.Random) -> None:
    scene.other.end(signal.SIGTERM)
    scene.other.start()


def add_a_control_worker(scene: Scene, chance: random.Random) -> None:
    name = f"extra{chance.getrandbits(32)}@%h"
    scene.stack.another("worker", "-Q", "control", "--pool", "threads", "-c", "2", "-n", name)


def add_a_beat(scene: Scene, chance: random.Random) -> None:
    scene.stack.another("beat", "--pidfile=")


def restart_redis(scene: Scene, chance: random.Random) -> None:
    scene.kill(scene.pid_of_redis(), signal.SIGKILL)


def flush_redis(scene: Scene, chance: random.Random) -> None:
    for _ in range(3):
        with contextlib.suppress(redis.RedisError):
            scene.stack.broker.flushall()
        time.sleep(chance.uniform(0.0, 0.5))


def take_redis_away(scene: Scene, chance: random.Random) -> None:
    with scene.stack.unattended():
        scene.kill(scene.pid_of_redis(), signal.SIGKILL)
        time.sleep(_AWAY_SECONDS)


def freeze_redis(scene: Scene, chance: random.Random) -> None:
    with scene.frozen(scene.pid_of_redis()):
        time.sleep(chance.uniform(1.0, 4.0))


def restart_postgres_fast(scene: Scene, chance: random.Random) -> None:
    scene.kill(scene.pid_of_postgres(), signal.SIGINT)


def restart_postgres_immediately(scene: Scene, chance: random.Random) -> None:
    scene.kill(scene.pid_of_postgres(), signal.SIGQUIT)


def cut_connections(scene: Scene, chance: random.Random) -> None:
    """End every session again and again, whatever it is in the middle of."""
    for _ in range(_CUTS):
        with contextlib.suppress(psycopg.Error):
            scene.stack.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        time.sleep(chance.uniform(0.0, 2 * _CUT_PAUSE_SECONDS))


def freeze_the_runner(scene: Scene, chance: random.Random) -> None:
    scene.keep_busy(OWN)
    with scene.frozen(scene.pid_of("runner")):
        time.sleep(_AWAY_SECONDS)


def freeze_the_other_runner(scene: Scene, chance: random.Random) -> None:
    scene.keep_busy(OTHER)
    with scene.frozen(scene.other.pid):
        time.sleep(_AWAY_SECONDS)


def freeze_the_control_worker(scene: Scene, chance: random.Random) -> None:
    with scene.frozen(scene.pid_of("control")):
        time.sleep(_AWAY_SECONDS)


def replay_reports(scene: Scene, chance: random.Random) -> None:
    """Report once more, in another order, what the other runner has reported; it must be told nothing unexpected."""
    scene.findings += [
        f"a report that came again was answered {status}"
        for status in scene.relay.replay(chance)
        if status not in _REPLAYED
    ]


def lose_answers(scene: Scene, chance: random.Random) -> None:
    """Have the other runner's reports arrive, and their answers not: it repeats them."""
    scene.relay.losing = True
    try:
        time.sleep(_LOSING_SECONDS)
    finally:
        scene.relay.losing = False


def lose_the_web(scene: Scene, chance: random.Random) -> None:
    """Leave the runners without an API for longer than their leases."""
    pid = scene.pid_of("web")
    with scene.stack.unattended():
        scene.kill(pid, signal.SIGKILL)
        time.sleep(_AWAY_SECONDS)


def fill_the_disk(scene: Scene, chance: random.Random) -> None:
    """Let the other runner's directory for its work hold nothing more for a while."""
    with scene.other.full_disk():
        time.sleep(_FULL_SECONDS)


FAULTS: dict[str, Fault] = {
    **{f"kill {child}": _signals(child, signal.SIGKILL) for child in _CHILDREN},
    **{f"stop {child}": _signals(child, signal.SIGTERM) for child in _CHILDREN},
    "kill other runner": kill_the_other_runner,
    "stop other runner": stop_the_other_runner,
    "second control worker": add_a_control_worker,
    "second beat": add_a_beat,
    "restart redis": restart_redis,
    "flush redis": flush_redis,
    "redis away": take_redis_away,
    "freeze redis": freeze_redis,
    "restart postgres fast": restart_postgres_fast,
    "restart postgres immediately": restart_postgres_immediately,
    "cut connections": cut_connections,
    "freeze runner": freeze_the_runner,
    "freeze other runner": freeze_the_other_runner,
    "freeze control worker": freeze_the_control_worker,
    "replay reports": replay_reports,
    "lose answers": lose_answers,
    "web away": lose_the_web,
    "disk full": fill_the_disk,
}
