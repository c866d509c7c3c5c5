"""The processes of the stack, as they are in production."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from taskpipeline.engines.records import Urls
from taskpipeline.stack.address import Address
from taskpipeline.stack.child import Program

# What a first start makes (seeding).
OPERATOR = "operator"
CLIENT = "demo"
RUNNER = "local"
WEB_GRACE_SECONDS = 10.0
SPARE_SECONDS = 5.0
# A runner needs none of these, and what it does not have it cannot give away (its token is in a file).
NOT_FOR_A_RUNNER = frozenset(
    {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "METRICS_TOKEN", "RUNNER_TOKEN"}
)


def environment(*, urls: Urls, var_dir: Path, address: Address) -> dict[str, str]:
    """Return what every process of the service is told: it need not look for the engines."""
    return {
        **os.environ,
        "DATABASE_URL": urls.database_url,
        "REDIS_URL": urls.redis_url,
        "VAR_DIR": str(var_dir),
        "HOST": address.host,
        "PORT": str(address.port),
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # one a thread, as glibc has it, is mostly air
    }


def runner_environment(base: Mapping[str, str], *, address: Address, tools: Path) -> dict[str, str]:
    """Return what the runner is told: where the API and the broker are. Its token lies under VAR_DIR."""
    return {
        **{name: value for name, value in base.items() if name not in NOT_FOR_A_RUNNER},
        "API_URL": address.url,
        "BROKER_URL": base["REDIS_URL"],
        # The examples' commands, after everything the machine has: they can hide nothing.
        "PATH": f"{base.get('PATH', os.defpath)}{os.pathsep}{tools}",
    }


def programs(
    base: Mapping[str, str], *, address: Address, manage: Path, tools: Path, stop_grace_seconds: float
) -> list[Program]:
    """Return the programs in the order in which they start; they stop in the opposite one."""
    python = sys.executable
    gunicorn = [python, "-m", "gunicorn", "taskpipeline.wsgi", "--bind", address.bind, "--worker-class", "gthread"]
    gunicorn += ["--workers", "2", "--threads", "16", "--graceful-timeout", f"{WEB_GRACE_SECONDS:.0f}"]
    gunicorn += ["--preload", "--config", "python:taskpipeline.stack.gunicorn_conf"]  # read once, shared by the workers
    gunicorn += ["--no-control-socket"]  # it would lie in the home directory, one for all stacks
    return [
        Program("web", gunicorn, env=base, grace_seconds=WEB_GRACE_SECONDS + SPARE_SECONDS),
        Program(
            "control",
            [python, "-m", "taskpipeline.celery.worker"],
            env=_celery_environment(base, settings="control_settings"),
            grace_seconds=WEB_GRACE_SECONDS + SPARE_SECONDS,
        ),
        Program(
            "beat",
            [python, "-m", "taskpipeline.celery.beat"],
            env=_celery_environment(base, settings="beat_settings"),
            grace_seconds=SPARE_SECONDS,
        ),
        Program(
            "runner",
            [python, str(manage), "run_runner", RUNNER],
            env=runner_environment(base, address=address, tools=tools),
            grace_seconds=2 * stop_grace_seconds + SPARE_SECONDS,
        ),
    ]


def _celery_environment(base: Mapping[str, str], *, settings: str) -> dict[str, str]:
    """Return what Celery's processes are told: settings of few apps, and no checks, which look into every page.

    Those were made when the database was prepared, and by the web process.
    """
    return {**base, "DJANGO_SETTINGS_MODULE": f"taskpipeline.{settings}", "CELERY_SKIP_CHECKS": "true"}


def preparation(base: Mapping[str, str], *, manage: Path, introduce: bool) -> Program:
    """Return the program that brings the database up to date and makes what a first start needs."""
    options = ["--json", *(["--introduce"] if introduce else [])]
    return Program("prepare", [sys.executable, str(manage), "seed", *options], env=base)
