from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from pytest_django import DjangoCaptureOnCommitCallbacks

from pipelines import cancelling, clock, editing
from pipelines.admin import cancelling as admin_cancelling
from pipelines.admin import contents
from pipelines.models import Event, Job, Pipeline
from pipelines.nudges import TOP_UP
from pipelines.states import State
from tests.operators import SCRIPT, an_operator, form_of, messages, nudges, page, queries
from tests.scenes import FAILED, a_client, a_pipeline, a_runner, claim_all, job, run

pytestmark = pytest.mark.django_db

LIST = "/admin/pipelines/pipeline/"


def path(pipeline: Pipeline, name: str = "change") -> str:
    return f"{LIST}{pipeline.pk}/{name}/"


def finished(name: str = "done", **options: Any) -> Pipeline:
    """Return a pipeline that ran to its end."""
    pipeline = a_pipeline(a_client(f"of {name}"), {"s": ["only"]}, name=name, **options)
    claim_all()
    run(job(pipeline, "only"))
    pipeline.refresh_from_db()
    assert pipeline.state == State.DONE
    return pipeline


def test_the_list_shows_how_each_pipeline_stands() -> None:
    a_runner()
    pipeline = a_pipeline(a_client("alice"), {"s": ["one", "two"]}, name=f"night {SCRIPT}", priority=7)
    claim_all()
    run(job(pipeline, "one"))
    html = page(an_operator(), LIST)
    assert '<span class="badge badge-in_progress">IN PROGRESS</span>' in html
    assert '<progress max="100" value="50"></progress>' in html
    assert '<td class="field-priority">7</td>' in html
    assert '<td class="field-client nowrap">alice</td>' in html
    assert "night &lt;script&gt;" in html
    assert SCRIPT not in html


def test_the_list_costs_the_same_for_five_pipelines_and_for_fifty() -> None:
    operator, client = an_operator(), a_client()
    for _ in range(5):
        a_pipeline(client, {"s": ["one"]})
    few = queries(lambda: page(operator, LIST))
    for _ in range(45):
        a_pipeline(client, {"s": ["one"]})
    many = queries(lambda: page(operator, LIST))
    assert len(many) == len(few)
    assert page(operator, LIST).count("badge-ready") == 50


def test_pipelines_are_found_by_state_client_name_and_id() -> None:
    alice, bob = a_client("alice"), a_client("bob")
    first = a_pipeline(alice, {"s": ["one"]}, name="nightly build")
    second = a_pipeline(bob, {"s": ["one"]}, name="release")
    cancelling.cancel_pipeline(second.pk, now=clock.now())
    operator = an_operator()

    def found(query: str) -> list[int]:
        html = page(operator, f"{LIST}?{query}")
        return [each.pk for each in (first, second) if f'value="{each.pk}" class="action-select"' in html]

    assert found("") == [first.pk, second.pk]
    assert found("state__exact=CANCELLED") == [second.pk]
    assert found(f"client__id__exact={alice.pk}") == [first.pk]
    assert found("q=nightly+build") == [first.pk]
    assert found(f"q={second.pk}") == [second.pk]
    assert found("q=99999999999999999999999") == []


def test_the_page_shows_stages_jobs_and_what_happened() -> None:
    a_runner("box")
    pipeline = a_pipeline(a_client(), {"build": [SCRIPT, "lint"], "ship": ["send"]}, labels={"x": SCRIPT})
    claim_all()
    run(job(pipeline, "lint"), FAILED)
    html = page(an_operator(), path(pipeline))
    assert SCRIPT not in html
    for each in pipeline.jobs.all():
        assert f"/admin/pipelines/job/{each.pk}/change/" in html
    stage = pipeline.stages.get(name="build")
    assert f"?pipeline={pipeline.pk}&amp;stage={stage.pk}&amp;state__exact=ERROR" in html
    assert "exit_code" in html
    assert "box" in html
    assert html.count("created") >= Event.objects.filter(pipeline=pipeline, from_state="").count()


def test_a_big_pipeline_is_counted_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "JOBS_SHOWN", 3)
    monkeypatch.setattr(contents, "EVENTS_SHOWN", 1)
    pipeline = a_pipeline(a_client(), {"s": [f"job {n}" for n in range(4)]})
    html = page(an_operator(), path(pipeline))
    assert "job-of-stage" not in html
    stage = pipeline.stages.get()
    state = f"?pipeline={pipeline.pk}&amp;stage={stage.pk}&amp;state__exact=READY"
    assert f'{state}">4 <span class="badge badge-ready">READY</span></a>' in html
    assert "More than 3 jobs are not listed here" in html
    assert f"/api/v1/pipelines/{pipeline.pk}/events/" in html


def test_the_page_costs_the_same_whatever_is_in_it() -> None:
    operator, client = an_operator(), a_client()
    small = a_pipeline(client, {"s": ["one"]})
    large = a_pipeline(client, {f"stage {n}": [f"job {n}.{m}" for m in range(9)] for n in range(5)})
    page(operator, path(small))
    assert len(queries(lambda: page(operator, path(large)))) == len(queries(lambda: page(operator, path(small))))


def test_a_new_priority_reaches_the_jobs_that_wait(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x", labels={"a": "b"})
    form = form_of(page(operator, path(pipeline)), priority="3")
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        statements = queries(lambda: operator.post(path(pipeline), form))
    pipeline.refresh_from_db()
    assert (pipeline.priority, pipeline.name, pipeline.labels) == (3, "x", {"a": "b"})
    assert job(pipeline, "one").pipeline_priority == 3
    updates = [sql for sql in statements if sql.startswith('UPDATE "pipelines_')]
    assert len(updates) == 2
    assert not [sql for sql in updates if "state" in sql.partition("SET")[2].partition("WHERE")[0]]
    assert sent == [TOP_UP]
    assert LogEntry.objects.get().get_change_message() == "Changed Priority."


def test_an_old_page_undoes_nobody_elses_change() -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x", labels={"a": "b"})
    form = form_of(page(operator, path(pipeline)), name="renamed")
    editing.edit_pipeline(pipeline, values={"priority": 1, "labels": {"a": "c"}})
    assert operator.post(path(pipeline), form).status_code == 302
    pipeline.refresh_from_db()
    assert (pipeline.name, pipeline.priority, pipeline.labels) == ("renamed", 1, {"a": "c"})


def test_an_edit_of_what_has_ended_meanwhile_becomes_a_message() -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x")
    form = form_of(page(operator, path(pipeline)), priority="3")
    cancelling.cancel_pipeline(pipeline.pk, now=clock.now())
    answer = operator.post(path(pipeline), form, follow=True)
    assert messages(answer) == ["The pipeline is CANCELLED: it has ended and cannot be changed."]
    assert 'name="priority"' not in answer.text
    pipeline.refresh_from_db()
    assert pipeline.priority == 10
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": '{"a=b": "c"}'}, "must not contain"),
        ({"labels": '{"a": 1}'}, "must be a string"),
        ({"labels": "[1]"}, "must be an object"),
        ({"labels": "{"}, "Enter a valid JSON"),
        ({"priority": "32768"}, "must be at most 32767"),
        ({"name": "x" * 256}, "at most 255"),
    ],
)
def test_an_edit_is_checked_by_the_rules_of_the_api(change: dict[str, str], told: str) -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x", labels={"a": "b"})
    answer = operator.post(path(pipeline), form_of(page(operator, path(pipeline)), **change))
    assert answer.status_code == 200
    assert told in answer.text.replace("&#x27;", "'")
    pipeline.refresh_from_db()
    assert (pipeline.name, pipeline.priority, pipeline.labels) == ("x", 10, {"a": "b"})


def test_name_and_labels_may_be_taken_away() -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x", labels={"a": "b"})
    operator.post(path(pipeline), form_of(page(operator, path(pipeline)), name="", labels="{}"))
    pipeline.refresh_from_db()
    assert (pipeline.name, pipeline.labels) == ("", {})


def test_the_cancel_button_asks_first_and_then_cancels() -> None:
    a_runner(capacity=1)
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one", "two", "three"]}, name="x")
    claim_all()
    assert path(pipeline, "cancel") in page(operator, path(pipeline))
    asked = page(operator, path(pipeline, "cancel"))
    assert "<strong>2</strong> waiting jobs" in asked
    assert "<strong>1</strong> running job " in asked
    assert Job.objects.filter(state=State.CANCELLED).count() == 0

    answer = operator.post(path(pipeline, "cancel"), follow=True)

    assert messages(answer) == ["Pipelines: 1 being stopped."]
    assert Job.objects.filter(state=State.CANCELLED).count() == 2
    assert job(pipeline, "one").cancel_requested_at is not None
    assert LogEntry.objects.get().get_change_message() == "Cancelled."


def test_the_cancel_action_asks_how_many_and_tells_what_became_of_each() -> None:
    a_runner()
    ended = finished()
    running = a_pipeline(a_client("runs"), {"s": ["one"]}, name="runs")
    claim_all()
    waiting = a_pipeline(a_client("waits", queue_size=0), {"s": ["one", "two"]}, name="waits")
    operator = an_operator()
    chosen = {"action": "cancel_selected", "_selected_action": [ended.pk, running.pk, waiting.pk]}

    asked = operator.post(LIST, {**chosen, "index": "0"})

    assert "2\n" in asked.text.split("to cancel:")[0][-60:]
    assert f"waits (#{waiting.pk})" in asked.text
    assert f"(#{ended.pk})" not in asked.text
    assert "<strong>2</strong> waiting jobs" in asked.text
    assert not Pipeline.objects.filter(state=State.CANCELLED).exists()

    answer = operator.post(LIST, {**chosen, "confirmed": "yes"}, follow=True)

    assert messages(answer) == ["Pipelines: 1 cancelled, 1 being stopped and 1 had ended already."]
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED


def test_cancelling_goes_by_what_was_asked_though_the_filter_holds_no_more() -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]}, name="x")
    chosen = {"action": "cancel_selected", "_selected_action": [pipeline.pk], "confirmed": "yes"}
    operator.post(f"{LIST}?state__exact=IN_PROGRESS", chosen | {"_selected_action": [pipeline.pk]})
    pipeline.refresh_from_db()
    assert pipeline.state == State.CANCELLED


def test_no_more_are_cancelled_at_once_than_one_request_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_cancelling, "AT_ONCE", 1)
    chosen = [a_pipeline(a_client(f"c{n}"), {"s": ["one"]}).pk for n in range(2)]
    data = {"action": "cancel_selected", "_selected_action": chosen, "index": "0"}
    assert messages(an_operator().post(LIST, data, follow=True)) == [
        "At most 1 can be cancelled at once; select fewer."
    ]


def test_only_what_has_ended_is_deleted() -> None:
    a_runner()
    ended, waiting = finished(), a_pipeline(a_client("waits"), {"s": ["one"]}, name="waits")
    operator = an_operator()
    assert operator.post(path(waiting, "delete"), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [ended.pk, waiting.pk], "post": "yes"}
    refused = operator.post(LIST, chosen)
    assert "have not ended and are not deleted" in refused.text
    assert f"waits (#{waiting.pk})" in refused.text
    assert Pipeline.objects.count() == 2

    assert "Jobs: 1" in page(operator, path(ended, "delete"))
    assert operator.post(path(ended, "delete"), {"post": "yes"}).status_code == 302
    assert [each.name for each in Pipeline.objects.all()] == ["waits"]


def test_finished_ones_are_deleted_together() -> None:
    a_runner()
    chosen = [finished(f"n{n}").pk for n in range(3)]
    operator = an_operator()
    data = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    statements = queries(lambda: operator.post(LIST, data))
    assert not Pipeline.objects.exists()
    assert not [sql for sql in statements if 'FROM "pipelines_event"' in sql and sql.startswith("SELECT")]
    assert LogEntry.objects.count() == 3


def test_a_pipeline_is_submitted_through_the_api_not_added_here() -> None:
    operator = an_operator()
    assert operator.get(f"{LIST}add/").status_code == 403
    assert 'href="/api/v1/pipelines/"' in page(operator, LIST)
    viewer = an_operator("view_pipeline", name="vera")
    assert "Submit a pipeline" not in page(viewer, LIST)


def test_who_may_only_look_changes_nothing() -> None:
    pipeline = a_pipeline(a_client(), {"s": ["one"]}, name="x")
    viewer = an_operator("view_pipeline", name="vera")
    html = page(viewer, path(pipeline))
    assert 'name="priority"' not in html
    assert path(pipeline, "cancel") not in html
    for name in ("change", "cancel", "delete"):
        assert viewer.post(path(pipeline, name), {"priority": "1", "post": "yes"}).status_code == 403
    viewer.post(LIST, {"action": "cancel_selected", "_selected_action": [pipeline.pk], "confirmed": "yes"})
    pipeline.refresh_from_db()
    assert (pipeline.state, pipeline.priority) == (State.READY, 10)
    assert Browser().get(path(pipeline)).status_code == 302
    assert an_operator("view_job", name="jack").get(LIST).status_code == 403
