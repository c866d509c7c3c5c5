from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from pipelines import cancelling, editing, masking
from pipelines.admin import showing
from pipelines.admin.cancelling import CancellingAdmin
from pipelines.admin.filters import KindFilter, PipelineFilter, StageFilter
from pipelines.admin.forms import JobForm
from pipelines.admin.operating import changes
from pipelines.models import Job
from pipelines.states import State


class JobList(ChangeList):
    """The list, without the columns that may be large."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        return super().get_queryset(request, exclude_parameters).defer("params", "result", "message")


@admin.register(Job)
class JobAdmin(CancellingAdmin):
    """Jobs: followed, changed while READY, cancelled. They come and go with their pipeline, or by the API."""

    form = JobForm
    changeable_states = (State.READY,)
    change_form_template = "admin/pipelines/job/change_form.html"
    list_display = (
        "id", "name", "badge", "pipeline", "stage", "kind", "priority", "attempt", "runner_name", "created_at",
        "started_at", "took",
    )  # fmt: skip
    list_display_links = ("id", "name")
    list_select_related = ("pipeline", "stage")
    list_filter: ClassVar[Any] = (PipelineFilter, StageFilter, "state", KindFilter, "client")
    sortable_by = ("id",)
    ordering = ("-id",)
    readonly_fields = (
        "name", "pipeline", "stage", "client", "kind", "version", "shown_params", "badge", "reason", "message",
        "progress_bar", "attempt", "failures", "losses", "runner_name", "exit_code", "signal", "shown_result",
        "created_at", "eligible_at", "started_at", "finished_at", "took", "cancel_requested_at",
    )  # fmt: skip

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return JobList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        # The page names all three; so few rows are read there that the join costs nothing.
        return super().get_queryset(request).select_related("pipeline", "stage", "client")

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        editable = self.has_change_permission(request, obj)
        params = "params" if editable else "shown_params"
        return (
            (
                "What is asked",
                {
                    "fields": (
                        ("pipeline", "stage"), ("client", "name"), ("kind", "version"), "priority", params,
                        "retry_attempt", "allow_failure", "timeout",
                    )
                },
            ),
            (
                "State",
                {
                    "fields": (
                        ("badge", "progress_bar"), ("reason", "message"), ("runner_name", "attempt"),
                        ("failures", "losses"), ("exit_code", "signal"), "shown_result", ("created_at", "eligible_at"),
                        ("started_at", "finished_at"), ("took", "cancel_requested_at"),
                    )
                },
            ),
        )  # fmt: skip

    @admin.display(description="state")
    def badge(self, job: Job) -> SafeString:
        return showing.badge(job.state)

    @admin.display(description="progress")
    def progress_bar(self, job: Job) -> SafeString:
        return showing.share(job.progress)

    @admin.display(description="params")
    def shown_params(self, job: Job) -> SafeString:
        return showing.pretty(masking.shown_params(job))

    @admin.display(description="result")
    def shown_result(self, job: Job) -> SafeString | str:
        return self.get_empty_value_display() if job.result is None else showing.pretty(job.result)

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        return showing.duration(job.started_at, job.finished_at) or self.get_empty_value_display()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        context["may_cancel"] = not context["original"].is_finished and self.has_change_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Job, form: ModelForm[Job], change: bool) -> None:
        if values := changes(form):
            editing.edit_job(obj, values=values)

    def cancel_one(self, row: Job, *, now: datetime) -> Job:
        return cancelling.cancel_job(row, now=now)

    def jobs_of(self, ids: Any) -> QuerySet[Job]:
        return Job.objects.filter(pk__in=ids)
