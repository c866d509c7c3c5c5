from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from pipelines.models import Event, IdempotencyKey, Stage, Submission
from runners.models import Attempt, LogChunk, Sweep
from tests.operators import SCRIPT, an_operator, form_of, page, queries
from tests.scenes import a_client, a_pipeline, a_runner

pytestmark = pytest.mark.django_db

AUDIT = "/admin/admin/logentry/"


def test_the_index_leads_to_everything_an_operator_has() -> None:
    html = page(an_operator(), "/admin/")
    for path in ("clients/client", "pipelines/pipeline", "pipelines/job", "runners/runner", "admin/logentry"):
        assert f'href="/admin/{path}/"' in html
    assert 'href="/admin/django_celery_beat/periodictask/"' in html
    assert 'href="/api/v1/"' in html
    assert "<title>" in html
    assert "Task Pipeline" in html.partition("</title>")[0]


@pytest.mark.parametrize("model", [Attempt, Event, IdempotencyKey, LogChunk, Stage, Submission, Sweep])
def test_what_is_no_operator_s_to_touch_is_not_offered(model: Any) -> None:
    assert not admin.site.is_registered(model)


def test_the_audit_tells_who_did_what_and_can_only_be_read() -> None:
    operator, runner = an_operator(), a_runner("box")
    operator.post(f"/admin/runners/runner/{runner.pk}/pause/", {"note": "x"})
    pipeline = a_pipeline(a_client(), {"s": ["one"]}, name=f"night {SCRIPT}")
    operator.post(f"/admin/pipelines/pipeline/{pipeline.pk}/cancel/")
    html = page(operator, AUDIT)
    for shown in ("olga", "Paused.", "Cancelled.", "box", "night &lt;script&gt;"):
        assert shown in html
    assert f'href="/admin/pipelines/pipeline/{pipeline.pk}/change/"' in html
    assert SCRIPT not in html
    entry = LogEntry.objects.order_by("pk")[0]
    for verb in ("change", "delete"):
        assert operator.post(f"{AUDIT}{entry.pk}/{verb}/", {"post": "yes", "change_message": "x"}).status_code == 403
    assert operator.get(f"{AUDIT}add/").status_code == 403
    assert "Paused." in page(operator, f"{AUDIT}{entry.pk}/change/")
    assert LogEntry.objects.count() == 2


def test_the_audit_costs_the_same_for_five_entries_and_for_fifty() -> None:
    operator = an_operator()
    user = User.objects.get()

    def log(count: int) -> None:
        for _ in range(count):
            LogEntry.objects.log_actions(user.pk, [a_user], 2, change_message="Changed.")

    a_user = User.objects.create_user("ann")
    log(5)
    few = queries(lambda: page(operator, AUDIT))
    log(45)
    assert len(queries(lambda: page(operator, AUDIT))) == len(few)


def test_who_has_entries_in_the_audit_is_not_deleted() -> None:
    operator, runner = an_operator(), a_runner("box")
    operator.post(f"/admin/runners/runner/{runner.pk}/pause/", {"note": "x"})
    user = User.objects.get(username="olga")
    an_operator(name="olaf").post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert User.objects.filter(pk=user.pk).exists()


def test_schedules_are_shown_and_edited() -> None:
    operator = an_operator()
    schedule = IntervalSchedule.objects.create(every=2, period="seconds")
    task = PeriodicTask.objects.create(name="top up the pool", task="runners.top_up", interval=schedule)
    path = "/admin/django_celery_beat/periodictask/"
    assert "top up the pool" in page(operator, path)
    html = page(operator, f"{path}{task.pk}/change/")
    form = form_of(html, args="[]", kwargs="{}", headers="{}", task="runners.top_up", interval=str(schedule.pk))
    form.pop("enabled")
    assert operator.post(f"{path}{task.pk}/change/", form).status_code == 302
    task.refresh_from_db()
    assert not task.enabled
