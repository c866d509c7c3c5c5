from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client as Browser

from clients.registration import Credentials, create_client

Headers = dict[str, str]


def basic(client_id: str, secret: str) -> Headers:
    """Return the header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def bearer(token: str) -> Headers:
    """Return the header of an access token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def stranger(db: None) -> Credentials:
    return create_client("stranger")


@pytest.fixture
def browser() -> Browser:
    return Browser(enforce_csrf_checks=True)


@pytest.fixture
def get_token(browser: Browser) -> Callable[..., str]:
    """Fetch a token from the endpoint, with a client's first secret or the one given."""

    def fetch(made: Credentials, *, secret: str = "") -> str:
        answer = browser.post(
            "/oauth/token/",
            {"grant_type": "client_credentials"},
            headers=basic(made.client_id, secret or made.client_secret),
        )
        assert answer.status_code == 200, answer.content
        token: str = answer.json()["access_token"]
        return token

    return fetch


@pytest.fixture
def make_staff(db: None) -> Callable[..., User]:
    """Make a member of staff with these permissions on clients: `view`, `add`, `change`, `delete`."""

    def make(*verbs: str, username: str = "sam") -> User:
        user = User.objects.create_user(username, password=None, is_staff=True)
        names = [f"{verb}_client" for verb in verbs]
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="clients", codename__in=names))
        return user

    return make
