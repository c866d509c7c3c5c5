from __future__ import annotations

import pytest

from clients.registration import create_client
from tests.api import as_client, as_operator, as_staff
from tests.scenes import a_pipeline, a_runner, claim_all

pytestmark = pytest.mark.django_db


def test_a_client_sees_totals_and_its_own_and_no_other_s_name() -> None:
    owner, stranger = create_client("owner"), create_client("stranger")
    a_runner(capacity=1)
    a_pipeline(owner.client, {"build": ["a", "b"], "deploy": ["c"]})
    a_pipeline(stranger.client, {"build": ["d"]})
    claim_all()

    answer = as_client(owner).get("queue/")
    body = answer.json()
    assert (body["queue_size"], body["in_progress"], body["ready"], body["eligible"]) == (100, 1, 3, 2)
    assert body["oldest_wait_seconds"] > 0
    (mine,) = body["backlog"]
    assert (mine["client"], mine["kind"]) == (owner.client_id, "Shell")
    assert (mine["in_progress"], mine["ready"], mine["eligible"]) == (1, 2, 1)
    assert "stranger" not in answer.text
    assert stranger.client_id not in answer.text

    everybody = as_staff("view_job").get("queue/").json()["backlog"]
    assert [row["client"] for row in everybody] == [owner.client_id, stranger.client_id]


def test_an_empty_queue_has_waited_for_nothing() -> None:
    body = as_client(create_client("owner")).get("queue/").json()
    assert (body["in_progress"], body["oldest_wait_seconds"], body["backlog"]) == (0, None, [])


def test_a_client_sees_its_limits_and_what_it_uses_of_them() -> None:
    runner = a_runner("mine", capacity=1)
    owner = create_client("owner", priority=3, queue_size=5, max_ready_jobs=9, runners=["mine"])
    a_pipeline(owner.client, {"build": ["a", "b"], "deploy": ["c"]})
    a_pipeline(create_client("stranger").client, {"build": ["d"]})
    claim_all()
    assert as_client(owner).get("me/").json() == {
        "client_id": owner.client_id, "name": "owner", "priority": 3, "queue_size": 5, "in_progress": 1,
        "max_ready_jobs": 9, "ready": 2, "runners": [runner.name],
    }  # fmt: skip


def test_no_limit_is_null() -> None:
    body = as_client(create_client("owner")).get("me/").json()
    assert (body["queue_size"], body["max_ready_jobs"], body["runners"]) == (None, None, [])


def test_staff_are_told_who_they_are() -> None:
    assert as_operator().get("me/").json() == {"user": "root"}


def test_the_root_shows_the_way() -> None:
    links = as_operator().get("").json()
    assert links["pipelines"] == "http://testserver/api/v1/pipelines/"
    assert all(as_link.startswith("http://testserver/api/v1/") for as_link in links.values())
