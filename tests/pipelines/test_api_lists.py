from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils.http import urlencode
from pytest_django import DjangoAssertNumQueries

from clients.registration import Credentials, create_client
from pipelines import cancelling, clock
from pipelines.models import Pipeline
from tests.api import Api, as_client, as_operator, mistakes, shell
from tests.scenes import FAILED, a_pipeline, a_runner, claim_all, job, run

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(db: None) -> Credentials:
    return create_client("owner")


@pytest.fixture
def api(owner: Credentials) -> Api:
    return as_client(owner)


def pages(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """Yield the pages from this one on, by the `next` of each."""
    url = path
    while url:
        page = api.get(url).json()
        assert set(page) == {"next", "previous", "results"}
        yield page
        url = (page["next"] or "").removeprefix("http://testserver")


def ids(api: Api, path: str) -> list[int]:
    return [row["id"] for page in pages(api, path) for row in page["results"]]


def names(api: Api, path: str, **query: Any) -> list[str]:
    answer = api.get(f"{path}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def test_pages_lead_on_and_back(api: Api, owner: Credentials) -> None:
    made = [a_pipeline(owner.client, {"build": ["a"]}).pk for _ in range(5)]
    listed = list(pages(api, "pipelines/?page_size=2"))
    assert [[row["id"] for row in page["results"]] for page in listed] == [made[4:2:-1], made[2:0:-1], made[:1]]
    assert (listed[0]["previous"], listed[-1]["next"]) == (None, None)

    middle = api.get(listed[2]["previous"].removeprefix("http://testserver")).json()
    first = api.get(middle["previous"].removeprefix("http://testserver")).json()
    assert (middle["results"], first["results"]) == (listed[1]["results"], listed[0]["results"])
    assert (first["previous"], first["next"]) == (None, listed[0]["next"])


def test_a_page_is_stable_while_rows_come_and_go(api: Api, owner: Credentials) -> None:
    made = [a_pipeline(owner.client, {"build": ["a"]}).pk for _ in range(5)]
    reading = pages(api, "pipelines/?page_size=2")
    next(reading)
    a_pipeline(owner.client, {"build": ["a"]})
    Pipeline.objects.filter(pk=made[3]).delete()
    assert [row["id"] for row in next(reading)["results"]] == [made[2], made[1]]


def test_an_empty_page_still_leads_back(api: Api, owner: Credentials) -> None:
    made = [a_pipeline(owner.client, {"build": ["a"]}).pk for _ in range(3)]
    last = api.get("pipelines/?page_size=2").json()["next"].removeprefix("http://testserver")
    Pipeline.objects.filter(pk=made[0]).delete()
    page = api.get(last).json()
    assert (page["results"], page["next"]) == ([], None)
    back = api.get(page["previous"].removeprefix("http://testserver")).json()
    assert [row["id"] for row in back["results"]] == [made[2]]


@pytest.mark.parametrize(
    "ordering", ["id", "-id", "priority", "-priority", "name,-priority", "created_at", "-created_at"]
)
def test_however_many_tie_each_row_is_listed_once(ordering: str, api: Api, owner: Credentials) -> None:
    jobs = [{"name": f"job {n}", "priority": n % 2} for n in range(9)]
    pipeline = a_pipeline(owner.client, {"build": jobs})
    everything = {job.pk: job for job in pipeline.jobs.all()}
    listed = ids(api, f"jobs/?page_size=2&ordering={ordering}")
    assert sorted(listed) == sorted(everything)
    name = ordering.partition(",")[0]
    values = [getattr(everything[pk], name.lstrip("-")) for pk in listed]
    assert values == sorted(values, reverse=name.startswith("-"))


def test_ties_come_newest_first(api: Api, owner: Credentials) -> None:
    a_pipeline(owner.client, {"build": ["a", "b", {"name": "c", "priority": 1}]})
    assert names(api, "jobs/", ordering="priority") == ["c", "b", "a"]


def test_pipelines_are_filtered(api: Api, owner: Credentials) -> None:
    for number, labels in enumerate([{"team": "x", "env": "prod"}, {"team": "x"}, {"team": "y=z"}]):
        a_pipeline(owner.client, {"build": ["a"]}, name=f"p{number}", labels=labels)
    cancelling.cancel_pipeline(Pipeline.objects.get(name="p2").pk, now=clock.now())
    a_runner(capacity=1)
    claim_all()

    assert names(api, "pipelines/") == ["p2", "p1", "p0"]
    assert names(api, "pipelines/", state="READY") == ["p1"]
    assert names(api, "pipelines/", state=["READY", "CANCELLED"]) == ["p2", "p1"]
    assert names(api, "pipelines/", state="IN_PROGRESS", name="p1") == []
    assert names(api, "pipelines/", name="p1") == ["p1"]
    assert names(api, "pipelines/", label="team=x") == ["p1", "p0"]
    assert names(api, "pipelines/", label=["team=x", "env=prod"]) == ["p0"]
    assert names(api, "pipelines/", label="team=y=z") == ["p2"]
    assert names(api, "pipelines/", label=["team=x", "team=y=z"]) == []


def test_pipelines_are_filtered_by_when_they_were_made(api: Api, owner: Credentials) -> None:
    first, second = (a_pipeline(owner.client, {"build": ["a"]}, name=name) for name in ("p0", "p1"))
    Pipeline.objects.filter(pk=first.pk).update(created_at=second.created_at - timedelta(hours=1))
    moment = second.created_at.isoformat()
    assert names(api, "pipelines/", created_after=moment) == ["p1"]
    assert names(api, "pipelines/", created_before=moment) == ["p0"]
    assert names(api, "pipelines/", created_after="2000-01-01T00:00:00Z", created_before=moment) == ["p0"]


def test_a_moment_is_taken_with_offsets_that_postgresql_refuses(api: Api, owner: Credentials) -> None:
    a_pipeline(owner.client, {"build": ["a"]}, name="p0")
    assert names(api, "pipelines/", created_after="2000-01-01T00:00:00-17:31") == ["p0"]
    cursor = base64.urlsafe_b64encode(json.dumps([0, "2000-01-01T00:00:00-17:31", 1]).encode()).decode()
    assert names(api, "pipelines/", ordering="created_at", cursor=cursor) == ["p0"]


def test_only_staff_filter_by_client(api: Api, owner: Credentials) -> None:
    other = create_client("other")
    a_pipeline(owner.client, {"build": ["a"]}, name="mine")
    a_pipeline(other.client, {"build": ["a"]}, name="theirs")
    staff = as_operator()
    assert names(staff, "pipelines/") == ["theirs", "mine"]
    assert names(staff, "pipelines/", client=other.client_id) == ["theirs"]
    assert names(api, "pipelines/", client=other.client_id) == []
    assert names(api, "pipelines/", client=owner.client_id) == ["mine"]


def test_jobs_are_filtered(api: Api, owner: Credentials) -> None:
    first = a_pipeline(owner.client, {"build": ["a", "b"], "deploy": ["c"]})
    a_pipeline(owner.client, {"build": ["d"]})
    a_runner("here", capacity=1)
    claim_all()
    cancelling.cancel_job(job(first, "b"), now=clock.now())

    assert names(api, "jobs/", ordering="id") == ["a", "b", "c", "d"]
    assert names(api, "jobs/", pipeline=first.pk, ordering="id") == ["a", "b", "c"]
    assert names(api, "jobs/", stage="deploy") == ["c"]
    assert names(api, "jobs/", state=["IN_PROGRESS", "CANCELLED"], ordering="id") == ["a", "b", "c"]
    assert names(api, "jobs/", runner="here") == ["a"]
    assert names(api, "jobs/", kind="Shell", state="READY") == ["d"]
    assert names(api, "jobs/", kind="Nope") == names(api, "jobs/", pipeline=10**30) == []


@pytest.mark.parametrize(
    "query",
    [
        "state=DOING", "state=READY&state=x", "state=%00", "name=%00", "label=team", "label=a%00=b", "label=a=%00",
        "created_after=yesterday", "created_before=2026-02-30", "client=%00", "ordering=client", "ordering=id,nope",
        "ordering=--id", "page_size=abc", "page_size=0", "page_size=-1", f"page_size={'9' * 5000}", "cursor=garbage",
        "cursor=", "cursor=%ff", "created_after=0001-01-01T00:00:00%2B05:00",
        "created_before=9999-12-31T23:00:00-05:00",
    ],
)  # fmt: skip
def test_a_bad_filter_of_pipelines_is_told(query: str, api: Api) -> None:
    (pointer,) = mistakes(api.get(f"pipelines/?{query}"))
    assert pointer == "/" + query.partition("=")[0]


@pytest.mark.parametrize(
    "query", ["pipeline=x", "pipeline=1.5", "pipeline=1e3", "pipeline=-1", "pipeline=NaN", "stage=%00", "runner=%00"]
)
def test_a_bad_filter_of_jobs_is_told(query: str, api: Api) -> None:
    assert mistakes(api.get(f"jobs/?{query}")).keys() == {"/" + query.partition("=")[0]}


@pytest.mark.parametrize(
    ("ordering", "position"),
    [
        ("id", [0, "x"]), ("id", [0, None]), ("id", [0]), ("id", [0, 1, 2]), ("id", {"a": 1}), ("id", 7), ("id", []),
        ("name", [0, "\0", 1]), ("name", [0, "\ud800", 1]), ("name", [0, [], 1]), ("created_at", [0, "noon", 1]),
        ("created_at", [0, "2026-01-01T00:00:00", 1]), ("priority", [0, 1.5, 1]), ("id", [0, 2**70]),
        ("created_at", [0, "9999-12-31T23:00:00-05:00", 1]),
    ],
)  # fmt: skip
def test_a_forged_cursor_is_told(ordering: str, position: object, api: Api) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
    assert mistakes(api.get(f"pipelines/?ordering={ordering}&cursor={cursor}")).keys() == {"/cursor"}


def test_a_page_is_cut_to_what_is_allowed(api: Api, owner: Credentials) -> None:
    for _ in range(2):
        a_pipeline(owner.client, {"build": [str(n) for n in range(251)]})
    assert len(api.get("jobs/?page_size=9999").json()["results"]) == 500
    assert len(api.get("jobs/").json()["results"]) == 50


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("pipelines/", 2),
        ("pipelines/?ordering=id", 3),
        ("jobs/", 2),
        ("pipelines/{pipeline}/", 2),
        ("pipelines/{pipeline}/events/", 3),
    ],
)
def test_more_rows_ask_no_more_queries(
    path: str, expected: int, api: Api, owner: Credentials, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """One for the client, one for the page or the pipeline with all that is in it, one to choose what is on a page."""
    for jobs in (["a"], ["a", "b", "c"]):
        for _ in range(len(jobs)):
            pipeline = a_pipeline(owner.client, {"build": jobs, "deploy": [f"{name}2" for name in jobs]})
        with django_assert_num_queries(expected):
            assert api.get(path.format(pipeline=pipeline.pk)).status_code == 200


def test_progress_is_how_much_has_ended(api: Api, owner: Credentials) -> None:
    pipeline = a_pipeline(owner.client, {"build": [{"name": n, "allow_failure": True} for n in "abcd"]})
    a_runner(capacity=1)

    def shown() -> tuple[Any, ...]:
        (row,) = api.get("pipelines/").json()["results"]
        assert "stages" not in row
        assert [row] == api.get("pipelines/?ordering=id").json()["results"]
        whole = api.get(f"pipelines/{pipeline.pk}/").json()
        assert whole == {**row, "stages": whole["stages"]}
        return row["state"], row["progress"]

    cancelling.cancel_job(job(pipeline, "a"), now=clock.now())
    assert shown() == ("READY", 25)
    assert api.delete(f"jobs/{job(pipeline, 'b').pk}/").status_code == 204
    assert shown() == ("READY", 33)
    (running,) = claim_all()
    run(running, FAILED)
    assert shown() == ("IN_PROGRESS", 66)
    added = api.post("jobs/", {"pipeline": pipeline.pk, **shell("e"), "allow_failure": True})
    assert added.status_code == 201
    assert shown() == ("IN_PROGRESS", 50)
    api.post(f"pipelines/{pipeline.pk}/cancel/")
    assert shown() == ("CANCELLED", 100)


def test_kinds_are_listed_like_everything_else(api: Api) -> None:
    (page,) = pages(api, "kinds/")
    shell = next(kind for kind in page["results"] if kind["name"] == "Shell")
    assert (shell["version"], shell["runner_type"]) == ("1.0.0", "server")
    assert "command" in shell["schema"]["properties"] and "command" in shell["example"]


def test_the_schema_of_documents_is_one_json_schema(api: Api) -> None:
    schema = api.get("kinds/schema/").json()
    assert schema["$schema"].endswith("2020-12/schema")
    assert {"stages", "jobs"} <= schema["properties"].keys()
