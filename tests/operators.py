"""Operators before their browser: staff with some permissions, or with all of them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

SCRIPT = "<script>alert(1)</script>"


def an_operator(*permissions: str, name: str = "olga") -> Browser:
    """Return the browser of a logged-in operator who holds the permissions, given as `view_job`; none given: all."""
    user = User.objects.create_user(name, is_staff=True, is_superuser=not permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Browser()
    browser.force_login(user)
    return browser


def page(browser: Browser, path: str, **options: Any) -> str:
    """Return the page that the path shows, wherever it leads."""
    answer = browser.get(path, follow=True, **options)
    assert answer.status_code == 200, (answer.status_code, path)
    return answer.text


def messages(answer: Any) -> list[str]:
    """Return what the page that follows tells its reader."""
    shown = re.findall(r'<ul class="messagelist">(.*?)</ul>', answer.text, re.DOTALL)
    return [html.unescape(text) for each in shown for text in re.findall(r"<li[^>]*>(.*?)</li>", each, re.DOTALL)]


def form_of(text: str, **changes: Any) -> dict[str, Any]:
    """Return the fields of the page's forms as a browser would send them, with these changes."""
    fields: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", text):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        kind = attributes.get("type", "text")
        if "name" in attributes and kind != "submit" and (kind != "checkbox" or " checked" in tag):
            fields[attributes["name"]] = html.unescape(attributes.get("value", "on" if kind == "checkbox" else ""))
    for name, content in re.findall(r'<textarea name="([^"]*)"[^>]*>\r?\n?(.*?)</textarea>', text, re.DOTALL):
        fields[name] = html.unescape(content)
    fields.pop("csrfmiddlewaretoken", None)
    return fields | changes


def queries(ask: Callable[[], object]) -> list[str]:
    """Return the statements that asking takes."""
    with CaptureQueriesContext(connection) as captured:
        ask()
    return [query["sql"] for query in captured]


def nudges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list in which the wake-ups sent from now on will stand; none is sent."""
    sent: list[str] = []

    def send(task: str, **_: object) -> bool:
        sent.append(task)
        return True

    monkeypatch.setattr("pipelines.nudges.send", send)
    return sent
