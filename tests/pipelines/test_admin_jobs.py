from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django import DjangoCaptureOnCommitCallbacks

from pipelines import editing
from pipelines.models import Job
from pipelines.nudges import TOP_UP
from pipelines.states import State
from tests.operators import SCRIPT, an_operator, form_of, messages, nudges, page, queries
from tests.scenes import FAILED, STARTED, a_client, a_pipeline, a_runner, claim_all, job, report, run

pytestmark = pytest.mark.django_db

LIST = "/admin/pipelines/job/"


def path(subject: Job, name: str = "change") -> str:
    return f"{LIST}{subject.pk}/{name}/"


def a_job(**fields: Any) -> Job:
    return job(a_pipeline(a_client(), {"s": [{"name": "one", **fields}, "two"]}), fields.get("name", "one"))


def test_the_list_costs_the_same_for_five_jobs_and_for_fifty() -> None:
    operator = an_operator()
    a_pipeline(a_client("few"), {"s": [f"job {n}" for n in range(5)]})
    few = queries(lambda: page(operator, LIST))
    for number in range(9):
        a_pipeline(a_client(f"c{number}"), {"s": [f"job {n}" for n in range(5)]})
    many = queries(lambda: page(operator, LIST))
    assert len(many) == len(few)
    assert page(operator, LIST).count("badge-ready") == 50


def test_the_list_leaves_large_columns_where_they_are() -> None:
    a_job()
    operator = an_operator()
    read = [sql for sql in queries(lambda: page(operator, LIST)) if '"pipelines_job"."name"' in sql]
    assert len(read) == 1
    assert not [name for name in ("params", "result", "message") if f'"pipelines_job"."{name}"' in read[0]]


def test_jobs_are_found_by_what_they_belong_to() -> None:
    a_runner("box")
    alice, bob = a_client("alice", queue_size=1), a_client("bob", queue_size=0)
    ours = a_pipeline(alice, {"build": ["make"], "ship": ["send it"]}, name=f"ours {SCRIPT}")
    theirs = a_pipeline(bob, {"build": ["other"]})
    claim_all()
    jobs = {each.name: each for each in Job.objects.all()}
    operator = an_operator()

    def found(query: str) -> set[str]:
        html = page(operator, f"{LIST}?{query}")
        return {name for name, each in jobs.items() if f'value="{each.pk}" class="action-select"' in html}

    assert found("") == {"make", "send it", "other"}
    assert found(f"pipeline={ours.pk}") == {"make", "send it"}
    assert found(f"pipeline={ours.pk}&stage={ours.stages.get(name='ship').pk}") == {"send it"}
    assert found(f"pipeline={theirs.pk}&state__exact=IN_PROGRESS") == set()
    assert found("state__exact=IN_PROGRESS") == {"make"}
    assert found("kind=Shell") == {"make", "send it", "other"}
    assert found("kind=K8S/Job") == set()
    assert found("runner=box") == {"make"}
    assert found(f"client__id__exact={bob.pk}") == {"other"}
    assert found("q=send+it") == {"send it"}
    assert found(f"q={jobs['make'].pk}") >= {"make"}
    assert found("pipeline=%00x") == {"make", "send it", "other"}
    chosen = page(operator, f"{LIST}?pipeline={ours.pk}")
    assert f"ours &lt;script&gt;alert(1)&lt;/script&gt; (#{ours.pk})" in chosen
    assert SCRIPT not in chosen


def test_the_page_shows_every_attempt_and_the_end_of_the_latest_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.admin.jobs._LOG_SHOWN_BYTES", 50)
    a_runner("box")
    subject = a_job(name=f"one {SCRIPT}", retry_attempt=1, params={"command": SCRIPT})
    claim_all()
    run(subject, {"event": "log", "offset": 0, "text": "first attempt's\n"}, FAILED | {"message": SCRIPT})
    Job.objects.filter(pk=subject.pk).update(eligible_at=subject.created_at)
    claim_all()
    report(subject, STARTED, {"event": "log", "offset": 0, "text": "é" * 100 + f"\n{SCRIPT} last line"})

    html = page(an_operator(), path(subject))

    assert SCRIPT not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; last line</pre>" in html
    assert "é" * 100 not in html
    assert "are not shown here" in html
    assert "first attempt&#x27;s" not in html
    for number in (1, 2):
        assert f'href="/api/v1/jobs/{subject.pk}/log/?attempt={number}"' in html
    assert '<span class="badge badge-failed">failed</span>' in html


def test_the_page_costs_the_same_for_any_number_of_attempts() -> None:
    a_runner()
    subject = a_job(retry_attempt=5)
    operator = an_operator()

    def fail() -> None:
        Job.objects.filter(pk=subject.pk).update(eligible_at=subject.created_at)
        claim_all()
        run(subject, FAILED)

    fail()
    page(operator, path(subject))
    few = queries(lambda: page(operator, path(subject)))
    fail()
    fail()
    assert len(queries(lambda: page(operator, path(subject)))) == len(few)


def test_a_ready_job_is_edited_in_one_conditional_statement(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    operator, subject = an_operator(), a_job()
    form = form_of(page(operator, path(subject)), params='{"command": "echo hi"}', timeout="60", allow_failure="on")
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        statements = queries(lambda: operator.post(path(subject), form))
    subject.refresh_from_db()
    assert (subject.params, subject.timeout, subject.allow_failure) == ({"command": "echo hi"}, 60, True)
    (update,) = [sql for sql in statements if sql.startswith('UPDATE "pipelines_job"')]
    written, _, condition = update.partition("WHERE")
    assert "state" in condition
    assert not [name for name in ('"state"', '"priority"', '"attempt"', '"name"') if name in written]
    assert sent == [TOP_UP]


def test_an_edit_of_a_job_that_started_meanwhile_becomes_a_message() -> None:
    a_runner()
    operator, subject = an_operator(), a_job()
    form = form_of(page(operator, path(subject)), priority="1")
    claim_all()
    answer = operator.post(path(subject), form, follow=True)
    assert messages(answer) == ["The job is IN_PROGRESS: only a READY job can be changed."]
    assert 'name="priority"' not in answer.text
    subject.refresh_from_db()
    assert (subject.state, subject.priority, subject.attempt) == (State.IN_PROGRESS, 10, 1)
    assert not LogEntry.objects.exists()


def test_an_old_page_undoes_nobody_elses_change() -> None:
    operator, subject = an_operator(), a_job()
    form = form_of(page(operator, path(subject)), timeout="60")
    editing.edit_job(subject, values={"priority": 1, "params": {"command": "other"}})
    operator.post(path(subject), form)
    subject.refresh_from_db()
    assert (subject.priority, subject.params, subject.timeout) == (1, {"command": "other"}, 60)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"params": '{"comand": "x"}'}, "did you mean 'command'?"),
        ({"params": "{}"}, "command"),
        ({"params": ""}, "must be an object"),
        ({"timeout": "0"}, "must be at least 1"),
        ({"retry_attempt": "101"}, "100"),
        ({"priority": "-1"}, "greater than or equal to 0"),
    ],
)
def test_an_edit_is_checked_by_the_rules_of_the_api(change: dict[str, str], told: str) -> None:
    operator, subject = an_operator(), a_job()
    answer = operator.post(path(subject), form_of(page(operator, path(subject)), **change))
    assert answer.status_code == 200
    assert told in answer.text.replace("&#x27;", "'")
    before = Job.objects.get(pk=subject.pk)
    assert (before.params, before.timeout, before.retry_attempt) == (subject.params, None, 0)


def test_a_state_is_nothing_that_a_form_can_send() -> None:
    operator, subject = an_operator(), a_job()
    sent = {"state": "DONE", "attempt": "7", "name": "other", "kind": "K8S/Job", "client": "1"}
    operator.post(path(subject), form_of(page(operator, path(subject)), **sent, priority="4"))
    after = Job.objects.get(pk=subject.pk)
    assert (after.state, after.attempt, after.name, after.kind, after.priority) == ("READY", 0, "one", "Shell", 4)


def test_the_cancel_action_cancels_what_waits_and_stops_what_runs() -> None:
    a_runner(capacity=1)
    running = a_job()
    claim_all()
    waiting = Job.objects.get(name="two")
    operator = an_operator()
    chosen = {"action": "cancel_selected", "_selected_action": [running.pk, waiting.pk]}
    asked = operator.post(LIST, {**chosen, "index": "0"})
    assert "stops its pipeline" in asked.text
    assert "<strong>1</strong> waiting job " in asked.text
    answer = operator.post(LIST, {**chosen, "confirmed": "yes"}, follow=True)
    assert messages(answer) == ["Jobs: 1 cancelled and 1 being stopped."]
    running.refresh_from_db()
    assert running.cancel_requested_at is not None
    assert Job.objects.get(pk=waiting.pk).state == State.CANCELLED


def test_cancelling_a_job_that_has_ended_says_so() -> None:
    a_runner()
    subject = a_job()
    claim_all()
    run(subject)
    operator = an_operator()
    assert path(subject, "cancel") not in page(operator, path(subject))
    assert "there is nothing to cancel" in page(operator, path(subject, "cancel"))
    assert messages(operator.post(path(subject, "cancel"), follow=True)) == ["Jobs: 1 had ended already."]


def test_jobs_are_neither_added_nor_deleted_here() -> None:
    operator, subject = an_operator(), a_job()
    assert operator.get(f"{LIST}add/").status_code == 403
    assert operator.post(path(subject, "delete"), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in page(operator, LIST)
    assert operator.get(f"{LIST}999999/cancel/").status_code == 404


def test_who_may_only_look_changes_nothing() -> None:
    subject = a_job()
    viewer = an_operator("view_job", name="vera")
    html = page(viewer, path(subject))
    assert 'name="params"' not in html
    assert "&quot;command&quot;: &quot;true&quot;" in html
    assert viewer.post(path(subject, "cancel")).status_code == 403
    assert viewer.post(path(subject), {"priority": "1"}).status_code == 403
