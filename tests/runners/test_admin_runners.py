from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from pytest_django import DjangoCaptureOnCommitCallbacks

from pipelines import clock
from pipelines.nudges import TOP_UP
from runners import presence, registration, tokens
from runners.models import Attempt, Runner
from tests.operators import SCRIPT, an_operator, form_of, messages, nudges, page, queries
from tests.recorder import Recorder
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, run

pytestmark = pytest.mark.django_db

LIST = "/admin/runners/runner/"


def path(runner: Runner, name: str = "change") -> str:
    return f"{LIST}{runner.pk}/{name}/"


def shown_token(html: str) -> str:
    (token,) = re.findall(r"Token</th>\s*<td>\s*<code>(tpr_[\w-]{43})</code>", html)
    assert html.count(token) == 1
    return str(token)


def knows(token: str) -> bool:
    """Tell whether a report with the token is let in."""
    answer = Browser().post(
        "/api/v1/reports/",
        {"reports": []},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code == 200


def assert_token_is_nowhere(operator: Browser, runner: Runner, token: str) -> None:
    """No page after the one that showed it, no history, no session holds it, or what is stored of it."""
    texts = [page(operator, path(runner, name)) for name in ("change", "history", "delete", "rotate-token", "pause")]
    texts += [page(operator, LIST), *(str(session.get_decoded()) for session in Session.objects.all())]
    texts += LogEntry.objects.values_list("change_message", flat=True)
    for text in texts:
        assert token not in text
        assert tokens.digest(token) not in text


def test_the_list_shows_which_are_there_how_full_and_why_not() -> None:
    box = a_runner("box", capacity=3)
    away = a_runner("away", online=False)
    a_pipeline(a_client(), {"s": ["one", "two"]})
    claim_all()
    presence.pause(away, note=f"new disk {SCRIPT}", now=clock.now())
    html = page(an_operator(), LIST)
    rows = dict(re.findall(r'<tr>.*?runner/(\d+)/change/">(.*?)</tr>', html, re.DOTALL))
    assert "icon-yes" in rows[str(box.pk)]
    assert "2&nbsp;/&nbsp;3" in rows[str(box.pk)]
    assert path(box, "pause") in rows[str(box.pk)]
    assert "icon-no" in rows[str(away.pk)]
    assert '<span class="badge badge-withheld">paused</span>' in rows[str(away.pk)]
    assert "new disk &lt;script&gt;" in rows[str(away.pk)]
    assert path(away, "resume") in rows[str(away.pk)]
    assert SCRIPT not in html


def test_the_list_costs_the_same_for_five_runners_and_for_fifty() -> None:
    operator = an_operator()
    for number in range(5):
        a_runner(f"r{number}")
    few = queries(lambda: page(operator, LIST))
    for number in range(5, 50):
        a_runner(f"r{number}")
    many = queries(lambda: page(operator, LIST))
    assert len(many) == len(few)
    assert page(operator, LIST).count('class="field-in_use"') == 50


def test_capacity_is_edited_in_the_list_and_nothing_else_is_written(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    first, second = a_runner("first"), a_runner("second")
    operator = an_operator()
    form = form_of(page(operator, LIST), _save="Save")
    assert [form[f"form-{n}-capacity"] for n in range(2)] == ["16", "16"]
    # Meanwhile: an old page must not undo it.
    Runner.objects.filter(pk=second.pk).update(capacity=9)
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        statements = queries(lambda: operator.post(LIST, form | {"form-0-capacity": "4"}))
    assert list(Runner.objects.order_by("pk").values_list("capacity", flat=True)) == [4, 9]
    updates = [sql for sql in statements if sql.startswith('UPDATE "runners_runner"')]
    assert updates == [f'UPDATE "runners_runner" SET "capacity" = 4 WHERE "runners_runner"."id" = {first.pk}']
    assert sent == [TOP_UP]


def test_an_edit_writes_only_what_was_edited(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    runner, client, operator = a_runner("box"), a_client(), an_operator()
    form = form_of(page(operator, path(runner)))
    assert "name" not in form
    presence.pause(runner, note="meanwhile", now=clock.now())
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(path(runner), form | {"kinds": ["Shell"], "clients": [client.pk], "name": "other"})
    runner.refresh_from_db()
    assert (runner.name, runner.kinds, list(runner.clients.all())) == ("box", ["Shell"], [client])
    assert runner.paused_at is not None
    assert sent == [TOP_UP]


def test_kinds_are_those_that_its_type_executes() -> None:
    runner, operator = a_runner("box"), an_operator()
    html = page(operator, path(runner))
    assert re.findall(r'type="checkbox" name="kinds" value="([^"]*)"', html) == ["Shell"]
    answer = operator.post(path(runner), form_of(html) | {"kinds": ["K8S/Job"]})
    assert "is not one of the available choices" in answer.text
    Runner.objects.filter(pk=runner.pk).update(kinds=["Gone"])
    answer = operator.post(path(runner), form_of(page(operator, path(runner))) | {"kinds": ["Gone"]})
    assert "cannot execute Gone" in answer.text


def test_a_new_runner_s_token_is_shown_once() -> None:
    operator = an_operator()
    form = form_of(page(operator, f"{LIST}add/"), name="box", type="server", capacity="2")
    answer = operator.post(f"{LIST}add/", form)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    runner = Runner.objects.get()
    assert (runner.name, runner.type, runner.capacity) == ("box", "server", 2)
    token = shown_token(answer.text)
    assert knows(token)
    assert LogEntry.objects.get().is_addition()
    assert_token_is_nowhere(operator, runner, token)


def test_a_bad_name_is_refused() -> None:
    a_runner("box")
    operator = an_operator()
    form = form_of(page(operator, f"{LIST}add/"), type="server", capacity="2")
    for name, told in (("box", "already exists"), ("a b", "Letters, digits")):
        assert told in operator.post(f"{LIST}add/", form | {"name": name}).text
    assert Runner.objects.count() == 1


def test_a_rotated_token_ends_the_old_one_at_once() -> None:
    made = registration.create_runner("box")
    operator = an_operator()
    assert "ends at once" in page(operator, path(made.runner, "rotate-token"))
    assert knows(made.token)
    answer = operator.post(path(made.runner, "rotate-token"))
    assert "no-store" in answer.headers["Cache-Control"]
    token = shown_token(answer.text)
    assert knows(token)
    assert not knows(made.token)
    assert LogEntry.objects.get().get_change_message() == "Rotated the token."
    assert_token_is_nowhere(operator, made.runner, token)


def test_a_runner_is_paused_with_a_note_and_resumed(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    runner, operator = a_runner("box"), an_operator()
    assert "gets no new jobs" in page(operator, path(runner, "pause"))
    answer = operator.post(path(runner, "pause"), {"note": f"kernel {SCRIPT}"}, follow=True)
    assert messages(answer) == ["Runner box is paused: it gets no new jobs."]
    assert SCRIPT not in answer.text
    runner.refresh_from_db()
    assert (runner.paused_at is not None, runner.pause_note) == (True, f"kernel {SCRIPT}")

    assert "kernel &lt;script&gt;" in page(operator, path(runner, "resume"))
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        operator.post(path(runner, "resume"))
    runner.refresh_from_db()
    assert (runner.paused_at, runner.pause_note) == (None, "")
    assert sent == [TOP_UP]
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")] == ["Paused.", "Resumed."]


def test_a_note_that_is_too_long_is_refused() -> None:
    runner = a_runner("box")
    answer = an_operator().post(path(runner, "pause"), {"note": "x" * 256})
    assert "at most 255 characters" in answer.text
    runner.refresh_from_db()
    assert runner.paused_at is None


def test_draining_pauses_it_and_tells_its_process(told: Recorder) -> None:
    runner = a_runner("box")
    answer = an_operator().post(path(runner, "drain"), {"note": "retired"}, follow=True)
    runner.refresh_from_db()
    assert runner.paused_at == runner.draining_since is not None
    assert runner.pause_note == "retired"
    assert told.drained == ["box"]
    assert ">draining</span>" in answer.text
    assert path(runner, "drain") not in answer.text


def test_a_runner_is_deleted_only_without_live_attempts() -> None:
    runner, operator = a_runner("box"), an_operator()
    a_pipeline(a_client(), {"s": ["one"]})
    (subject,) = claim_all()
    for answer in (operator.get(path(runner, "delete")), operator.post(path(runner, "delete"), {"post": "yes"})):
        assert "has live attempts and is not deleted" in answer.text
        assert f"attempt 1 of job {subject.pk}" in answer.text
    assert Runner.objects.exists()
    run(subject)
    assert operator.post(path(runner, "delete"), {"post": "yes"}).status_code == 302
    assert not Runner.objects.exists()
    assert Attempt.objects.get().runner_name == "box"


def test_a_claim_that_comes_in_between_becomes_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, operator = a_runner("box"), an_operator()
    a_pipeline(a_client(), {"s": ["one"]})

    def delete(found: Runner) -> Any:
        claim_all()
        return delete_runner(found)

    delete_runner = registration.delete_runner
    monkeypatch.setattr(registration, "delete_runner", delete)
    answer = operator.post(path(runner, "delete"), {"post": "yes"}, follow=True)
    assert messages(answer) == ["Runner box has 1 live attempts; pause it and wait, or cancel them."]
    assert Runner.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["pause", "resume", "drain", "rotate-token"])
def test_the_buttons_are_for_who_may_change_runners(name: str) -> None:
    runner = a_runner("box")
    before = Runner.objects.values().get()
    viewer = an_operator("view_runner", name="vera")
    assert path(runner, name) not in page(viewer, path(runner))
    assert path(runner, name) not in page(viewer, LIST)
    assert viewer.get(path(runner, name)).status_code == 403
    assert viewer.post(path(runner, name)).status_code == 403
    assert Browser().post(path(runner, name)).status_code == 302
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    assert strict.post(path(runner, name)).status_code == 403
    assert Runner.objects.values().get() == before
    assert an_operator(name="olaf").post(f"{LIST}999/{name}/").status_code == 404
