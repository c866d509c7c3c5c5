"""What the runners' admin shows of those that are Kubernetes clusters, and of every runner's health."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.http import HttpRequest
from django.utils.text import Truncator

from pipelines.admin.operating import AnyModelAdmin
from runners.admin import cluster_fields
from runners.models import Runner, RunnerType

_SHOWN = 160
_NONE = "-"
_NO_ROUNDS = "are beat and a control worker up?"


class ClusterDisplays(AnyModelAdmin):
    """Displays; credentials are among none of them."""

    def cluster_fieldset(self, request: HttpRequest, runner: Runner | None) -> tuple[str, dict[str, Any]]:
        """Return the fields of its cluster: without those of the credentials for who only looks."""
        may_edit = self.has_change_permission(request, runner) if runner else True
        shown = cluster_fields.FIELDS if may_edit else ("server", *cluster_fields.NAMES)
        title = "Cluster" if runner else "Cluster (of a kubernetes runner, and no other)"
        return title, {"fields": shown}

    @admin.display
    def health(self, runner: Any) -> str:
        """Say when it was last heard of, or why it is offline."""
        return Truncator(_health(runner)).chars(_SHOWN)

    @admin.display(description="synced at")
    def synced_at(self, runner: Runner) -> Any:
        return runner.cluster.synced_at

    @admin.display(description="error")
    def cluster_error(self, runner: Runner) -> str:
        return runner.cluster.error or _NONE

    @admin.display
    def server(self, runner: Runner) -> str:
        return runner.cluster.server

    @admin.display
    def namespace(self, runner: Runner) -> str:
        return runner.cluster.namespace

    @admin.display
    def namespaces(self, runner: Runner) -> str:
        return ", ".join(runner.cluster.namespaces) or _NONE

    @admin.display(description="service accounts")
    def service_accounts(self, runner: Runner) -> str:
        return ", ".join(runner.cluster.service_accounts) or _NONE


def _health(runner: Any) -> str:
    if runner.type == RunnerType.KUBERNETES:
        synced = display_for_value(runner.cluster.synced_at, _NONE)
        if runner.is_online:
            return f"synced {synced}"
        if runner.cluster.error:
            return f"offline: {runner.cluster.error}"
        return f"offline: no round {f'since {synced}' if runner.cluster.synced_at else 'yet'}; {_NO_ROUNDS}"
    if runner.seen_at is None:
        return "offline: never reported"
    return f"{'reported' if runner.is_online else 'offline: last report'} {display_for_value(runner.seen_at, _NONE)}"
