from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from pipelines import clock
from pipelines.admin.operating import AnyModelAdmin
from runners import presence, registration
from runners.admin.forms import NoteForm
from runners.models import Runner, RunnerType


class RunnerPages(AnyModelAdmin):
    """The pages on which a runner is paused, resumed, drained and given a token.

    A new token is in the answer to the POST that made it and nowhere else: not in a message, which would lie in the
    session, and not behind a redirect.
    """

    def get_urls(self) -> list[URLPattern]:
        views: dict[str, Callable[..., HttpResponse]] = {
            "pause": self.pause_view,
            "resume": self.resume_view,
            "drain": self.drain_view,
            "rotate-token": self.rotate_token_view,
        }
        return [
            *(
                path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"runners_runner_{name}")
                for name, view in views.items()
            ),
            *super().get_urls(),
        ]

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        runner, form = self._runner(request, object_id), NoteForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._page(request, runner, template="pause", title="Pause", form=form)
        presence.pause(runner, note=form.cleaned_data["note"], now=clock.now())
        return self._done(request, runner, change="Paused.", message=f"Runner {runner} is paused: it gets no new jobs.")

    def drain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        runner, form = self._runner(request, object_id), NoteForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return self._page(request, runner, template="drain", title="Drain", form=form)
        presence.drain(runner, note=form.cleaned_data["note"], now=clock.now())
        leaves = ", and its process leaves once it is idle" if runner.type == RunnerType.SERVER else ""
        message = f"Runner {runner} is draining: it gets no new jobs{leaves}."
        return self._done(request, runner, change="Drained.", message=message)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        runner = self._runner(request, object_id)
        if request.method != "POST":
            return self._page(request, runner, template="resume", title="Resume")
        presence.resume(runner)
        return self._done(request, runner, change="Resumed.", message=f"Runner {runner} gets jobs again.")

    def rotate_token_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        runner = self._runner(request, object_id)
        if runner.type != RunnerType.SERVER:
            raise Http404
        if request.method != "POST":
            return self._page(request, runner, template="rotate_token", title="Rotate the token")
        token = registration.rotate_token(runner)
        self.log_change(request, runner, "Rotated the token.")
        return self._page(request, runner, template="token", title="The new token", token=token)

    def response_add(self, request: HttpRequest, obj: Runner, post_url_continue: str | None = None) -> HttpResponse:
        if obj.type != RunnerType.SERVER:
            return super().response_add(request, obj, post_url_continue)
        token = registration.rotate_token(obj)
        return self._page(request, obj, template="token", title="The new runner's token", token=token)

    def _runner(self, request: HttpRequest, object_id: str) -> Runner:
        runner: Runner | None = self.get_object(request, unquote(object_id))
        if runner is None:
            raise Http404
        if not self.has_change_permission(request, runner):
            raise PermissionDenied
        return runner

    def _done(self, request: HttpRequest, runner: Runner, *, change: str, message: str) -> HttpResponse:
        self.log_change(request, runner, change)
        self.message_user(request, message, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:runners_runner_change", args=[runner.pk]))

    def _page(self, request: HttpRequest, runner: Runner, *, template: str, **context: Any) -> HttpResponse:
        return TemplateResponse(
            request,
            f"admin/runners/runner/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.opts, "original": runner, **context},
        )
