"""Run jobs on the tests' Kubernetes API server and count what it is asked."""

from __future__ import annotations

from benchmarks.inside.answering import answer
from pipelines.states import State
from runners import pool
from runners.kubernetes import following
from runners.registration import ClusterOptions, create_runner
from tests.kubernetes_api import ApiServer, serving
from tests.scenes import a_client, a_pipeline

RUNNER = "cluster"
IMAGE = "slow/10"  # runs for so many rounds
ROUNDS = 100


class Cluster:
    """An API server, and a runner and a client of it."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._client = a_client()

    def prepare(self) -> None:
        """Make the runner, whose first sync must have succeeded before it is given jobs."""
        cluster = ClusterOptions(connection=self._server.connection(), namespace="default")
        create_runner(RUNNER, runner_type="kubernetes", capacity=100_000, cluster=cluster)
        following.follow(RUNNER)

    def run(self, *, jobs: int) -> dict[str, int]:
        """Run so many at once, until their objects are gone; return the rounds and the requests by their verb."""
        params = {"container_name": "main", "image_name": IMAGE}
        self._server.log.clear()
        pipeline = a_pipeline(
            self._client,
            {"run": [{"name": f"job {n}", "kind": "K8S/Job", "params": params} for n in range(jobs)]},
        )
        pool.top_up()
        rounds = 0
        while not pipeline.is_finished or self._server.objects("jobs"):
            if rounds == ROUNDS:
                raise RuntimeError(f"the pipeline is {pipeline.state} after {ROUNDS} rounds")
            following.follow(RUNNER)
            pipeline.refresh_from_db()
            self._server.step()
            rounds += 1
        if pipeline.state != State.DONE:
            raise RuntimeError(f"the pipeline is {pipeline.state}")
        counts = {"create": 0, "delete": 0, "log": 0, "other": 0}
        for request in self._server.log:
            verb = "log" if request.subresource == "log" else request.verb
            counts[verb if verb in counts else "other"] += 1
        return {"rounds": rounds, **counts}


if __name__ == "__main__":
    with serving() as started:
        cluster = Cluster(started)
        answer({"prepare": cluster.prepare, "run": cluster.run})
