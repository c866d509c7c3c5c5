from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.safestring import SafeString

from pipelines import cancelling, editing, pruning
from pipelines.admin import contents, showing
from pipelines.admin.cancelling import CancellingAdmin
from pipelines.admin.forms import PipelineForm
from pipelines.admin.operating import changes
from pipelines.models import Job, Pipeline
from pipelines.states import UNFINISHED

_DELETED_AT_ONCE = 20


@admin.register(Pipeline)
class PipelineAdmin(CancellingAdmin):
    """Pipelines: followed, changed while unfinished, cancelled, deleted once finished. Submitting is the API's."""

    form = PipelineForm
    changeable_states = UNFINISHED
    change_form_template = "admin/pipelines/pipeline/change_form.html"
    change_list_template = "admin/pipelines/pipeline/change_list.html"
    list_display = (
        "id", "title", "badge", "client", "priority", "progress", "warnings", "created_at", "started_at", "took",
    )  # fmt: skip
    list_display_links = ("id", "title")
    list_select_related = ("client",)
    list_filter = ("state", "client", "created_at")
    sortable_by = ("id", "priority")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("name", "priority", "labels")}),
        (
            "State",
            {
                "fields": (
                    ("badge", "reason"), ("progress", "warnings"), ("client", "rerun_of"), "callback_url",
                    ("created_at", "started_at"), ("finished_at", "took"), ("cancel_requested_at", "stopped_at"),
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = (
        "badge", "reason", "progress", "warnings", "client", "rerun_of", "callback_url", "created_at", "started_at",
        "finished_at", "took", "cancel_requested_at", "stopped_at",
    )  # fmt: skip

    @admin.display(description="pipeline")
    def title(self, pipeline: Pipeline) -> str:
        return str(pipeline)

    @admin.display(description="state")
    def badge(self, pipeline: Pipeline) -> SafeString:
        return showing.badge(pipeline.state)

    @admin.display(description="progress")
    def progress(self, pipeline: Pipeline) -> SafeString:
        return showing.share(pipeline.progress)

    @admin.display(description="took")
    def took(self, pipeline: Pipeline) -> str:
        return showing.duration(pipeline.started_at, pipeline.finished_at) or self.get_empty_value_display()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        pipeline = context["original"]
        stages = contents.stages_of(pipeline)
        context |= {
            "stages": stages,
            "jobs_hidden": any(each.total > len(each.jobs) for each in stages),
            "jobs_shown": contents.JOBS_SHOWN,
            "events": contents.events_of(pipeline),
            "events_shown": contents.EVENTS_SHOWN,
            "state": self.badge(pipeline),
            "share": self.progress(pipeline),
            "may_cancel": not pipeline.is_finished and self.has_change_permission(request),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Pipeline, form: ModelForm[Pipeline], change: bool) -> None:
        if values := changes(form):
            editing.edit_pipeline(obj, values=values)

    def cancel_one(self, row: Pipeline, *, now: datetime) -> Pipeline:
        return cancelling.cancel_pipeline(row.pk, now=now)

    def jobs_of(self, ids: Any) -> QuerySet[Job]:
        return Job.objects.filter(pipeline__in=ids)

    def has_delete_permission(self, request: HttpRequest, obj: Pipeline | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_finished)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Count what goes instead of listing it: a pipeline may have 10,000 jobs. What is unfinished stays."""
        pipelines = list(objs)
        jobs = Job.objects.filter(pipeline__in=[pipeline.pk for pipeline in pipelines]).count()
        unfinished = [f"{pipeline} (#{pipeline.pk})" for pipeline in pipelines if not pipeline.is_finished]
        counts = {"pipelines": len(pipelines), "jobs": jobs}
        return [f"{pipeline} (#{pipeline.pk})" for pipeline in pipelines], counts, set(), unfinished

    def delete_model(self, request: HttpRequest, obj: Pipeline) -> None:
        pruning.delete_pipelines([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Pipeline]) -> None:
        ids = sorted(queryset.values_list("pk", flat=True))
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            pruning.delete_pipelines(ids[start : start + _DELETED_AT_ONCE])
