"""A runner on the tests' cluster, jobs of both kinds, and rounds until what was asked for is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients.models import Client
from pipelines.models import Job, Pipeline
from runners import pool
from runners.kubernetes import following
from runners.models import Attempt, Cluster, Runner
from runners.registration import ClusterOptions, create_runner
from tests.kubernetes_api import ApiServer
from tests.scenes import a_pipeline

RUNNER = "cluster"
Params = dict[str, Any]


def a_cluster(server: ApiServer, **options: Any) -> Runner:
    """Return a Kubernetes runner whose first sync has succeeded."""
    cluster = ClusterOptions(connection=server.connection(), **{"namespace": "default", **options})
    runner = create_runner(RUNNER, runner_type="kubernetes", capacity=1000, cluster=cluster).runner
    following.follow(RUNNER)
    return runner


def k8s_job(name: str, image: str = "fine/x", *, params: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    given = {"container_name": "main", "image_name": image, **(params or {})}
    return {"name": name, "kind": "K8S/Job", "version": "1.0.0", "params": given, **fields}


def k8s_deployment(
    name: str, image: str = "web/x", *, params: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    given = {"container_name": "main", "image_name": image, **(params or {})}
    return {"name": name, "kind": "K8S/Deployment", "version": "1.0.0", "params": given, **fields}


def submitted(client: Client, *jobs: dict[str, Any], stage: str = "run") -> Pipeline:
    """Submit the jobs as one stage and claim what may start."""
    pipeline = a_pipeline(client, {stage: list(jobs)})
    pool.top_up()
    return pipeline


def rounds(server: ApiServer, until: Callable[[], Any], *, most: int = 40) -> None:
    """Let runner and cluster take turns until the condition holds."""
    for _ in range(most):
        following.follow(RUNNER)
        if until():
            return
        server.step()
        pool.top_up()
    raise AssertionError(f"not so after {most} rounds: {Cluster.objects.values_list('error', flat=True)}")


def ended(pipeline: Pipeline) -> Callable[[], bool]:
    def look() -> bool:
        pipeline.refresh_from_db()
        return pipeline.is_finished

    return look


def attempt_of(pipeline: Pipeline, name: str, *, number: int = 0) -> Attempt:
    attempts = Attempt.objects.filter(job__pipeline=pipeline, job__name=name)
    return attempts.get(number=number) if number else attempts.latest("number")


def log_of(attempt: Attempt) -> str:
    return b"".join(bytes(chunk.content) for chunk in attempt.log_chunks.order_by("offset")).decode()


def job(pipeline: Pipeline, name: str) -> Job:
    return Job.objects.get(pipeline=pipeline, name=name)
