"""The pages as a real browser shows them: what works only with its scripts, and that the policy blocks nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator

import pytest
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Dialog, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from pipelines.models import Pipeline
from pipelines.states import State
from tests.operators import SCRIPT
from tests.scenes import FAILED, STARTED, a_client, a_pipeline, a_runner, claim_all, job, report, run

pytestmark = pytest.mark.django_db(transaction=True)

_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
          "--disable-sync", "--no-first-run")  # fmt: skip


class Browsing:
    """A page of a logged-in operator, and what its browser complained of."""

    def __init__(self, page: Page, *, base: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._base = base
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        page.on("dialog", self._dismiss)

    def open(self, path: str) -> Page:
        self.page.goto(self._base + path, wait_until="load")
        return self.page

    def _dismiss(self, dialog: Dialog) -> None:
        self._hear("error", f"dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, kind: str, text: str) -> None:
        # That an answer was 400 is said on the console too.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(f"{self.page.url}: {text}")


@pytest.fixture
def browsing(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Generator[Browsing]:
    executable = shutil.which("chromium")
    if executable is None and "CI" in os.environ:
        pytest.fail("These tests need Chromium: apt-get install chromium")
    if executable is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    # Playwright runs an event loop in this thread, beside which Django would refuse the tests' own queries.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    User.objects.create_superuser("olga", password="correct horse")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield Browsing(browser.new_page(), base=live_server.url)
        finally:
            browser.close()
            # Beside that loop the thread has database connections of its own, which nobody else closes.
            connections.close_all()


def log_in(browsing: Browsing, path: str) -> Page:
    """Open the path, which asks who one is, and go on to it."""
    page = browsing.open(path)
    page.get_by_role("link", name="Log in").first.click()
    page.get_by_label("User").fill("olga")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**{path}")
    return page


def test_a_pipeline_is_submitted_corrected_changed_and_cancelled_in_the_pages(browsing: Browsing) -> None:
    a_client("alice")
    page = log_in(browsing, "/api/v1/pipelines/")
    page.get_by_label("Submit for").select_option(label="alice")
    page.get_by_role("button", name="Choose").click()
    content = page.get_by_role("textbox", name="Content")
    expect(content).to_contain_text("stages: [greet, part]")
    document = content.input_value()

    content.fill(document.replace("timeout", "timout"))
    page.get_by_role("button", name="POST").click()
    expect(page.get_by_text("HTTP 400 Bad Request")).to_be_visible()
    expect(page.locator(".response-info")).to_contain_text("did you mean 'timeout'?")
    assert page.get_by_label("Media type").input_value() == "application/yaml"
    mistaken = page.get_by_role("textbox", name="Content").input_value()
    assert mistaken == document.replace("timeout", "timout")

    page.get_by_role("textbox", name="Content").fill(mistaken.replace("timout", "timeout"))
    page.get_by_role("button", name="POST").click()
    expect(page.get_by_text("HTTP 201 Created")).to_be_visible()
    pipeline = Pipeline.objects.get()
    assert (pipeline.client.name, pipeline.name) == ("alice", "hello")

    page.locator(".response-info a").filter(has_text=f"/pipelines/{pipeline.pk}/").first.click()
    page.get_by_role("textbox", name="Content").fill('{"priority": 2}')
    page.get_by_role("button", name="PATCH").click()
    expect(page.locator(".response-info")).to_contain_text('"priority": 2')

    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".response-info")).to_contain_text('"state": "CANCELLED"')
    pipeline.refresh_from_db()
    assert (pipeline.state, pipeline.priority) == (State.CANCELLED, 2)
    assert browsing.complaints == []


def test_the_policy_blocks_nothing_on_any_page_and_no_script_of_others_runs(browsing: Browsing) -> None:
    a_runner("box")
    client = a_client(f"alice {SCRIPT}")
    pipeline = a_pipeline(client, {SCRIPT: [SCRIPT, {"name": "two", "retry_attempt": 1}]}, name=SCRIPT)
    claim_all()
    subject = job(pipeline, SCRIPT)
    report(subject, STARTED, {"event": "log", "offset": 0, "text": f"{SCRIPT}\n" * 200 + "the end"})
    run(job(pipeline, "two"), FAILED | {"message": SCRIPT})
    log_in(browsing, "/api/v1/")
    for path in (
        "/admin/", "/admin/clients/client/", f"/admin/clients/client/{client.pk}/change/",
        "/admin/pipelines/pipeline/", f"/admin/pipelines/pipeline/{pipeline.pk}/change/",
        f"/admin/pipelines/pipeline/{pipeline.pk}/cancel/", f"/admin/pipelines/job/?pipeline={pipeline.pk}",
        "/admin/runners/runner/", "/admin/runners/runner/add/", "/admin/admin/logentry/",
        "/admin/django_celery_beat/periodictask/", "/admin/django_celery_beat/periodictask/add/",
        "/api/v1/pipelines/", f"/api/v1/pipelines/{pipeline.pk}/", "/api/v1/jobs/", f"/api/v1/jobs/{subject.pk}/",
        f"/api/v1/jobs/{subject.pk}/log/", "/api/v1/runners/", "/api/v1/kinds/", "/api/v1/pipelines/999999/",
    ):  # fmt: skip
        browsing.open(path)
        assert browsing.complaints == []

    page = browsing.open(f"/admin/pipelines/job/{subject.pk}/change/")
    log = page.locator("div.log pre")
    expect(log).to_contain_text("the end")
    # The log is shown from its end.
    assert log.evaluate("pre => pre.getBoundingClientRect().bottom <= pre.parentElement.getBoundingClientRect().bottom")

    page = browsing.open("/api/v1/jobs/")
    page.get_by_role("button", name="Filters").click()
    expect(page.locator("#filtersModal")).to_be_visible()
    assert browsing.complaints == []


def test_the_documentation_asks_the_api_from_its_own_page(browsing: Browsing) -> None:
    a_pipeline(a_client(), {"s": ["one"]}, name="seen from the documentation")
    log_in(browsing, "/api/v1/")
    page = browsing.open("/api/v1/docs/")
    operation = page.locator("#operations-pipelines-pipelines_list")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("seen from the documentation")
    assert browsing.complaints == []


def test_jobs_are_cancelled_from_the_list_and_a_runner_paused(browsing: Browsing) -> None:
    runner = a_runner("box")
    pipeline = a_pipeline(a_client(), {"s": ["one", "two", "three"]})
    log_in(browsing, "/api/v1/")
    page = browsing.open(f"/admin/pipelines/job/?pipeline={pipeline.pk}")
    for number in (0, 1):
        page.locator("input.action-select").nth(number).check()
    page.locator("select[name=action]").select_option(label="Cancel selected jobs")
    page.get_by_role("button", name="Go").click()
    expect(page.get_by_text("2 jobs to cancel")).to_be_visible()
    page.get_by_role("button", name="Cancel them").click()
    expect(page.locator(".messagelist")).to_contain_text("Jobs: 2 cancelled.")

    browsing.open("/admin/runners/runner/")
    page.get_by_role("link", name="pause…").click()
    page.get_by_label("Note").fill("new disk")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".messagelist")).to_contain_text("Runner box is paused")
    runner.refresh_from_db()
    assert runner.pause_note == "new disk"
    assert browsing.complaints == []
