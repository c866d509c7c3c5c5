from __future__ import annotations

import html as html_text
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from pipelines.models import Job, Pipeline
from pipelines.states import State
from tests.operators import SCRIPT, an_operator, page, queries
from tests.scenes import a_client, a_pipeline, a_runner, claim_all, job, run

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/"
HTML = {"Accept": "text/html; q=1.0, */*"}


def show(browser: Browser, path: str) -> str:
    return page(browser, ROOT + path, headers=HTML)


def raw_form(text: str) -> tuple[str, str]:
    """Return the media type and the content with which the raw-data form begins."""
    (content,) = re.findall(r'<textarea name="_content"[^>]*>\r?\n?(.*?)</textarea>', text, re.DOTALL)
    (media_type,) = re.findall(r'<option value="([^"]*)" selected>\1</option>', text)
    return media_type, html_text.unescape(content)


def send(browser: Browser, path: str, content: str, *, media_type: str, method: str = "POST", **headers: str) -> Any:
    return browser.generic(method, ROOT + path, content, content_type=media_type, headers={**HTML, **headers})


def test_the_root_is_where_one_arrives() -> None:
    answer = an_operator().get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, ROOT)


def test_the_pages_lead_to_the_admin_the_documentation_and_out() -> None:
    text = show(an_operator(), "")
    assert "Task Pipeline" in text.partition("</title>")[0]
    assert "Django REST framework" not in text
    for path in ("/admin/", "/api/v1/docs/"):
        assert f'href="{path}"' in text
    assert 'action="/api-auth/logout/"' in text


def test_who_is_not_logged_in_is_told_where_to() -> None:
    answer = Browser().get(f"{ROOT}pipelines/?state=READY", headers=HTML)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("text/html")
    assert 'href="/api-auth/login/?next=/api/v1/pipelines/%3Fstate%3DREADY"' in answer.text
    assert 'href="/admin/"' not in answer.text


def test_logging_in_leads_back() -> None:
    User.objects.create_superuser("root", password="correct horse")
    browser, path = Browser(), "/api-auth/login/?next=/api/v1/pipelines/%3Fstate%3DREADY"
    form = {"username": "root", "next": "/api/v1/pipelines/?state=READY"}
    assert 'value="/api/v1/pipelines/?state=READY"' in page(browser, path)
    assert "correct username and password" in browser.post(path, form | {"password": "wrong"}).text
    answer = browser.post(path, form | {"password": "correct horse"})
    assert answer.headers["Location"] == form["next"]


def test_the_example_in_the_form_is_a_pipeline_that_can_be_submitted() -> None:
    client, operator = a_client("alice"), an_operator()
    query = f"pipelines/?client={client.client_id}"
    text = show(operator, query)
    assert f'action="/api/v1/{query}"' in text
    media_type, content = raw_form(text)
    assert media_type == "application/yaml"
    answer = send(operator, query, content, media_type=media_type)
    assert answer.status_code == 201
    pipeline = Pipeline.objects.get()
    assert (pipeline.client, pipeline.jobs.count()) == (client, 2)
    assert f"/api/v1/pipelines/{pipeline.pk}/" in answer.text


def test_json_is_submitted_as_well() -> None:
    client, operator = a_client(), an_operator()
    jobs = [{"name": "a", "stage": "s", "kind": "Shell", "version": "1.0.0", "params": {"command": "true"}}]
    content = json.dumps({"stages": ["s"], "jobs": jobs})
    path = f"pipelines/?client={client.client_id}"
    assert send(operator, path, content, media_type="application/json").status_code == 201


def test_staff_choose_the_client_to_submit_for() -> None:
    alice, shut = a_client("alice"), a_client(f"x {SCRIPT}")
    operator = an_operator()
    text = show(operator, "pipelines/")
    assert f'<option value="{alice.client_id}" >alice</option>' in re.sub(r"\s+", " ", text)
    assert "choose one before you POST" in text
    assert "x &lt;script&gt;" in text
    type(shut).objects.filter(pk=shut.pk).update(is_active=False)
    text = show(operator, f"pipelines/?client={alice.client_id}")
    assert f'<option value="{alice.client_id}" selected>alice</option>' in re.sub(r"\s+", " ", text)
    assert "x &lt;script&gt;" not in text
    assert "Submit for" not in show(an_operator("view_pipeline", name="vera"), "pipelines/")


def test_a_mistake_is_shown_with_its_place_and_what_was_sent() -> None:
    client, operator = a_client(), an_operator()
    content = f"stages: [s]\njobs:\n  - name: {SCRIPT}\n    timout: 1\n"
    answer = send(operator, f"pipelines/?client={client.client_id}", content, media_type="text/yaml")
    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "HTTP 400 Bad Request" in answer.text
    assert "/jobs/0/timout" in answer.text
    assert "did you mean &#x27;timeout&#x27;?" in answer.text
    assert SCRIPT not in answer.text
    assert raw_form(answer.text) == ("text/yaml", content)


@pytest.mark.parametrize(
    ("path", "content", "media_type", "status"),
    [
        ("pipelines/", "{}", "application/json", 400),
        ("pipelines/?client=nobody", "{}", "application/json", 404),
        ("pipelines/?client={client}", "<x/>", "application/xml", 415),
        ("pipelines/999/cancel/", "", "application/json", 404),
        ("nothing/", "", "application/json", 404),
    ],
)
def test_errors_keep_their_status(path: str, content: str, media_type: str, status: int) -> None:
    path = path.format(client=a_client().client_id)
    answer = send(an_operator(), path, content, media_type=media_type)
    assert answer.status_code == status
    assert f"{status}" in answer.text


def test_a_submission_without_the_csrf_token_is_refused() -> None:
    client = a_client()
    strict = Browser(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_superuser("root"))
    text = show(strict, f"pipelines/?client={client.client_id}")
    (token,) = re.findall(r'"csrfToken": "([^"]+)"', text)
    media_type, content = raw_form(text)
    path = f"pipelines/?client={client.client_id}"
    assert send(strict, path, content, media_type=media_type).status_code == 403
    assert not Pipeline.objects.exists()
    headers = {"X-CSRFToken": token}
    assert send(strict, path, content, media_type=media_type, **headers).status_code == 201


def test_a_job_is_changed_from_a_form_that_holds_its_present_values() -> None:
    operator = an_operator()
    subject = job(a_pipeline(a_client(), {"s": [{"name": "one", "params": {"command": SCRIPT}}]}), "one")
    text = show(operator, f"jobs/{subject.pk}/")
    assert SCRIPT not in text
    media_type, content = raw_form(text)
    values = json.loads(content)
    assert values == {
        "priority": 10, "params": {"command": SCRIPT}, "retry_attempt": 0, "allow_failure": False, "timeout": None,
    }  # fmt: skip
    changed = json.dumps(values | {"priority": 2})
    answer = send(operator, f"jobs/{subject.pk}/", changed, media_type=media_type, method="PATCH")
    assert answer.status_code == 200
    assert json.loads(raw_form(answer.text)[1])["priority"] == 2
    assert Job.objects.get().priority == 2


def test_a_refused_change_is_shown_again() -> None:
    a_runner()
    operator, subject = an_operator(), job(a_pipeline(a_client(), {"s": ["one"]}), "one")
    claim_all()
    sent = '{"priority": 2}'
    answer = send(operator, f"jobs/{subject.pk}/", sent, media_type="application/json", method="PATCH")
    assert answer.status_code == 409
    assert "only a READY job can be changed" in answer.text
    assert raw_form(answer.text) == ("application/json", sent)


@pytest.mark.parametrize("kind", ["pipelines", "jobs"])
def test_cancel_is_a_button(kind: str) -> None:
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]})
    key = pipeline.pk if kind == "pipelines" else job(pipeline, "one").pk
    path = f"{kind}/{key}/cancel/"
    action = f'action="http://testserver{ROOT}{path}" data-method="POST"'
    assert action in re.sub(r"\s+", " ", show(operator, f"{kind}/{key}/"))
    answer = send(operator, path, "", media_type="application/json")
    assert answer.status_code == 200
    assert "<textarea" not in answer.text
    assert not Job.objects.exclude(state=State.CANCELLED).exists()
    viewer = an_operator(f"view_{kind[:-1]}", name="vera")
    assert action not in re.sub(r"\s+", " ", show(viewer, f"{kind}/{key}/"))


def test_runners_have_buttons_too() -> None:
    runner, operator = a_runner("box"), an_operator()
    text = show(operator, f"runners/{runner.pk}/")
    for name in ("pause", "resume", "drain"):
        assert f"/runners/{runner.pk}/{name}/" in text
    assert send(operator, f"runners/{runner.pk}/pause/", "", media_type="application/json").status_code == 200
    runner.refresh_from_db()
    assert runner.paused_at is not None


def test_what_is_deleted_offers_nothing_more() -> None:
    a_runner()
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]})
    claim_all()
    run(job(pipeline, "one"))
    path = f"pipelines/{pipeline.pk}/"
    assert "DELETE" in show(operator, path)
    answer = send(operator, path, "", media_type="application/json", method="DELETE")
    assert "HTTP 204" in answer.text
    for offer in ("<textarea", "deleteModal", f"{path}cancel/"):
        assert offer not in answer.text


def test_lists_have_filters_and_pages() -> None:
    client, operator = a_client(), an_operator()
    for number in range(3):
        a_pipeline(client, {"s": [f"job {number}"]})
    text = show(operator, "jobs/?page_size=2&state=READY")
    assert 'id="filtersModal"' in text
    assert '<option value="READY" selected>' in text
    (following,) = re.findall(r'<li class="next">\s*<a href="([^"]*)"', text)
    last = page(operator, html_text.unescape(following), headers=HTML)
    assert "job 0" in last
    assert '<li class="previous">' in last
    assert '<li class="previous">' not in show(operator, "jobs/")


def test_the_list_costs_the_same_for_five_pipelines_and_for_fifty() -> None:
    client, operator = a_client(), an_operator()
    for _ in range(5):
        a_pipeline(client, {"s": ["one"]})
    few = queries(lambda: show(operator, "pipelines/"))
    for _ in range(45):
        a_pipeline(client, {"s": ["one"]})
    assert len(queries(lambda: show(operator, "pipelines/"))) == len(few)


def test_what_came_from_outside_is_shown_harmlessly() -> None:
    operator = an_operator()
    client = a_client(f"alice {SCRIPT}")
    pipeline = a_pipeline(client, {SCRIPT: [SCRIPT]}, name=SCRIPT, labels={SCRIPT: SCRIPT})
    for path in ("pipelines/", f"pipelines/{pipeline.pk}/", f"jobs/?stage={SCRIPT}", f"pipelines/?client={SCRIPT}"):
        assert SCRIPT not in operator.get(ROOT + path, headers=HTML).text


def test_no_page_needs_a_weaker_policy() -> None:
    a_runner("box")
    operator, pipeline = an_operator(), a_pipeline(a_client(), {"s": ["one"]})
    key = job(pipeline, "one").pk
    paths = [
        "/admin/", "/admin/clients/client/", "/admin/pipelines/pipeline/", f"/admin/pipelines/job/{key}/change/",
        "/admin/runners/runner/", "/admin/runners/runner/add/", "/admin/django_celery_beat/periodictask/add/",
        "/api-auth/login/", "/api/v1/", "/api/v1/pipelines/", f"/api/v1/pipelines/{pipeline.pk}/", "/api/v1/jobs/",
        "/api/v1/docs/",
    ]  # fmt: skip
    for path in paths:
        answer = operator.get(path, headers=HTML)
        assert answer.status_code == 200, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert not re.findall(r"<[^>]* (?:style|on\w+)=", answer.text), path
        assert not re.findall(r"<style", answer.text), path
        assert not re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", answer.text), path
        assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!testserver)', answer.text), path
