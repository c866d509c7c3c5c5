"""What this app adds to the jobs' admin: the attempts, their logs, and the runners to filter by."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from pipelines.admin import showing
from pipelines.admin.jobs import JobAdmin
from pipelines.models import Job
from runners import logs
from runners.models import Attempt, Runner

_ATTEMPTS_SHOWN = 50
_LOG_SHOWN_BYTES = 64 * 1024


class RunnerFilter(admin.SimpleListFilter):
    title = "runner"
    parameter_name = "runner"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, name) for name in Runner.objects.order_by("name").values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(runner_name=self.value()) if self.value() else queryset


admin.site.unregister(Job)


@admin.register(Job)
class AttemptedJobAdmin(JobAdmin):
    change_form_template = "admin/runners/job/change_form.html"
    list_filter = (*JobAdmin.list_filter, RunnerFilter)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        attempts = _attempts_of(context["original"])
        context |= {"attempts": attempts, "attempts_shown": _ATTEMPTS_SHOWN}
        if attempts:
            context |= _log_of(attempts[0])
        return super().render_change_form(request, context, *args, **kwargs)


def _attempts_of(job: Job) -> list[Any]:
    """Return the latest attempts, newest first, each with how long it took."""
    attempts: list[Any] = list(Attempt.objects.filter(job=job).defer("evidence").order_by("-number")[:_ATTEMPTS_SHOWN])
    for attempt in attempts:
        attempt.took = showing.duration(attempt.started_at, attempt.finished_at)
    return attempts


def _log_of(attempt: Attempt) -> dict[str, Any]:
    """Return the end of the attempt's log, and how much of it is not shown."""
    excerpt = logs.read(attempt, offset=max(0, attempt.log_size - _LOG_SHOWN_BYTES))
    # The cut may go through a character.
    return {"log": excerpt.content.decode(errors="replace"), "log_offset": excerpt.offset}
