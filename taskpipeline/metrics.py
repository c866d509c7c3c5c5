"""Prometheus metrics, computed from the database at each scrape: right whichever process is asked."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from clients.models import Client
from pipelines import clock
from pipelines.models import Job, Pipeline
from runners import doctor, pool
from runners.models import Attempt, Runner, Sweep
from taskpipeline.api import problems
from taskpipeline.api.problems import Problem


@require_safe
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Answer a scrape that shows METRICS_TOKEN, or staff."""
    if not _may_see(request):
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return problems.plain(
            Problem(401, "Show METRICS_TOKEN as a bearer token, or log in as staff.", headers=headers)
        )
    registry = CollectorRegistry()
    registry.register(_FromDatabase())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_see(request: HttpRequest) -> bool:
    expected = f"Bearer {settings.METRICS_TOKEN}"
    given = request.headers.get("Authorization", "")
    if settings.METRICS_TOKEN and hmac.compare_digest(given.encode(), expected.encode()):
        return True
    return request.user.is_active and request.user.is_staff


class _FromDatabase(Collector):
    def describe(self) -> list[Metric]:
        """Say nothing ahead: registering must not query."""
        return []

    def collect(self) -> Iterator[Metric]:
        now = clock.now()
        yield _counted(
            GaugeMetricFamily(
                "taskpipeline_jobs", "Jobs by client, kind and state.", labels=["client", "kind", "state"]
            ),
            Job.objects.order_by().values_list("client__name", "kind", "state").annotate(Count("pk")),
        )
        yield _counted(
            GaugeMetricFamily("taskpipeline_pipelines", "Pipelines by client and state.", labels=["client", "state"]),
            Pipeline.objects.order_by().values_list("client__name", "state").annotate(Count("pk")),
        )
        yield _counted(
            GaugeMetricFamily(  # not a counter: pruning takes old ones away
                "taskpipeline_attempts", "Attempts that are over, by outcome.", labels=["outcome", "reason"]
            ),
            Attempt.objects.exclude(outcome="").order_by().values_list("outcome", "reason").annotate(Count("pk")),
        )
        limit = GaugeMetricFamily("taskpipeline_queue_limit", "Jobs in progress at most.", labels=["scope"])
        limit.add_metric(["service"], settings.QUEUE_SIZE)
        for name, size in Client.objects.filter(queue_size__isnull=False).values_list("name", "queue_size"):
            limit.add_metric([f"client:{name}"], float(size or 0))
        yield limit
        slots = GaugeMetricFamily("taskpipeline_runner_slots", "Slots of runners.", labels=["runner", "state"])
        online = GaugeMetricFamily("taskpipeline_runner_online", "Whether a runner is online.", labels=["runner"])
        runners: Iterable[Any] = Runner.objects.with_use().with_online(now)
        for runner in runners:
            slots.add_metric([runner.name, "used"], runner.in_use)
            slots.add_metric([runner.name, "free"], max(runner.capacity - runner.in_use, 0))
            online.add_metric([runner.name], float(runner.is_online))
        yield slots
        yield online
        last = Sweep.objects.last_success(pool.TOP_UP)
        yield GaugeMetricFamily(
            "taskpipeline_scheduler_last_tick_timestamp_seconds",
            "When a top-up last succeeded.",
            value=last.timestamp() if last else 0,
        )
        broken = GaugeMetricFamily("taskpipeline_invariant_violations", "Invariants broken, by rule.", labels=["rule"])
        found = {violation.rule: violation.count for violation in doctor.check(now=now)}
        for rule in doctor.RULES:
            broken.add_metric([rule], found.get(rule, 0))
        yield broken


def _counted(family: GaugeMetricFamily, rows: Iterable[tuple[Any, ...]]) -> Metric:
    """Add a sample for each row, its last column the count."""
    for *labels, count in rows:
        family.add_metric([str(label) for label in labels], count)
    return family
