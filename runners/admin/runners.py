from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from pipelines import clock
from pipelines.nudges import nudge
from runners import registration
from runners.admin.cluster_fields import SECRETS
from runners.admin.clusters import ClusterDisplays
from runners.admin.forms import RunnerForm
from runners.admin.pages import RunnerPages
from runners.exceptions import RunnerError
from runners.models import Attempt, Runner, RunnerType
from runners.registration import ClusterOptions

_EDITED = ("capacity", "kinds")


@admin.register(Runner)
class RunnerAdmin(ClusterDisplays, RunnerPages):
    """Runners: whether they are there, how full they are, how many jobs they take and of which kinds and clients."""

    form = RunnerForm
    change_form_template = "admin/runners/runner/change_form.html"
    list_display = ("name", "type", "online", "in_use", "capacity", "given_jobs", "health")
    list_editable = ("capacity",)
    list_filter = ("type",)
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ("name",)
    view_on_site = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    filter_horizontal = ("clients",)
    readonly_fields = (
        "online", "health", "synced_at", "cluster_error", "in_use", "given_jobs", "seen_at", "capacity_changed_at",
        "created_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Runner]:
        runners = Runner.objects.with_use().with_online(clock.now())
        return runners.select_related("cluster").defer("cluster__sealed_connection")

    def get_list_display(self, request: HttpRequest) -> Any:
        return (*self.list_display, "turn") if self.has_change_permission(request) else self.list_display

    def get_fieldsets(self, request: HttpRequest, obj: Runner | None = None) -> Any:
        settings = (None, {"fields": ("name", "type", "capacity", "kinds", "clients")})
        if obj is None:
            return settings, self.cluster_fieldset(request, None)
        is_cluster = obj.type == RunnerType.KUBERNETES
        of_others = ("seen_at",) if is_cluster else ("synced_at", "cluster_error")
        state = ("State", {"fields": [name for name in self.readonly_fields if name not in of_others]})
        return (settings, self.cluster_fieldset(request, obj), state) if is_cluster else (settings, state)

    def get_readonly_fields(self, request: HttpRequest, obj: Runner | None = None) -> Any:
        # Its queue and its process go by both.
        return (*self.readonly_fields, "name", "type") if obj else self.readonly_fields

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Runners are deleted one by one, on their page, which says what keeps one."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "capacity" and field is not None:
            # Only what differs from what the page showed is a change: an old page undoes nobody else's.
            field.show_hidden_initial = True
        return field

    @admin.display(description="online", boolean=True)
    def online(self, runner: Any) -> bool:
        return bool(runner.is_online)

    @admin.display(description="in use")
    def in_use(self, runner: Any) -> SafeString:
        return format_html('<span class="use">{}&nbsp;/&nbsp;{}</span>', runner.in_use, runner.capacity)

    @admin.display(description="given jobs")
    def given_jobs(self, runner: Runner) -> SafeString:
        state = "draining" if runner.draining_since else "paused" if runner.paused_at else "yes"
        colour = "withheld" if runner.paused_at else "given"
        return format_html('<span class="badge badge-{}">{}</span> {}', colour, state, runner.pause_note)

    @admin.display(description="")
    def turn(self, runner: Runner) -> SafeString:
        """Link to the page that pauses or resumes it."""
        turn = "resume" if runner.paused_at else "pause"
        return format_html('<a href="{}">{}…</a>', reverse(f"admin:runners_runner_{turn}", args=[runner.pk]), turn)

    def save_model(self, request: HttpRequest, obj: Runner, form: ModelForm[Runner], change: bool) -> None:
        cluster: dict[str, Any] = getattr(form, "cluster_changes", {})
        if not change:
            obj.save()
            if cluster:
                registration.give_cluster(obj, options=ClusterOptions(**cluster))
            return
        # Only what was edited: the instance may be older than a pause, a sign of life, a rotation of the token.
        obj.save(update_fields=[name for name in form.changed_data if name in _EDITED])
        if cluster:
            registration.change_cluster(obj, **cluster)
        nudge()

    @method_decorator(sensitive_post_parameters(*SECRETS))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._or_told(request, lambda: super(RunnerAdmin, self).changeform_view(request, *args, **kwargs))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._or_told(request, lambda: super(RunnerAdmin, self).delete_view(request, object_id, extra_context))

    def _or_told(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """Answer as the view does, or have the refusal of what it tried shown; nothing of it is kept then."""
        try:
            return view()
        except RunnerError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say that a runner with live attempts stays; the attempts that are over keep its name and are not listed."""
        runners = list(objs)
        live = Attempt.objects.live().filter(runner__in=[runner.pk for runner in runners]).order_by("job")
        names = [str(runner) for runner in runners]
        return names, {"runners": len(runners)}, set(), [str(attempt) for attempt in live]

    def delete_model(self, request: HttpRequest, obj: Runner) -> None:
        registration.delete_runner(obj)
