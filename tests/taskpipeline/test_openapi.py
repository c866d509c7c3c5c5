from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
import yaml
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema

from clients.registration import create_client
from tests.api import Api, as_client

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"
DOCUMENTS = ["application/json", "application/yaml", "application/x-yaml", "text/yaml"]


@pytest.fixture
def api(db: None) -> Api:
    return as_client(create_client("owner"))


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    shown: dict[str, Any] = yaml.safe_load(api.get("schema/").content)
    return shown


def ways(operation: dict[str, Any]) -> set[str]:
    return {name for way in operation["security"] for name in way}


def test_it_is_valid_and_nothing_of_it_was_guessed(api: Api) -> None:
    GENERATOR_STATS.reset()
    document = yaml.safe_load(api.get("schema/").content)
    validate_schema(document)
    assert document["openapi"].startswith("3.")
    assert not GENERATOR_STATS._warn_cache and not GENERATOR_STATS._error_cache


def test_every_path_of_the_contract_is_in_it(document: dict[str, Any]) -> None:
    there = {path.removeprefix(ROOT): set(operations) for path, operations in document["paths"].items()}
    expected = {
        "pipelines/": {"get", "post"}, "pipelines/{id}/": {"get", "patch", "delete"},
        "pipelines/{id}/cancel/": {"post"},
        "pipelines/{id}/events/": {"get"}, "jobs/": {"get", "post"}, "jobs/{id}/": {"get", "patch", "delete"},
        "jobs/{id}/cancel/": {"post"}, "jobs/{id}/attempts/": {"get"}, "jobs/{id}/log/": {"get"},
        "jobs/{id}/report/": {"post"}, "reports/": {"post"}, "queue/": {"get"}, "me/": {"get"}, "kinds/": {"get"},
        "me/secrets/": {"get"}, "me/secrets/{name}/": {"put", "delete"},
        "kinds/schema/": {"get"}, "runners/": {"get", "post"}, "runners/{id}/": {"get", "patch", "delete"},
        "runners/{id}/pause/": {"post"}, "runners/{id}/resume/": {"post"}, "runners/{id}/drain/": {"post"},
    }  # fmt: skip
    assert {path: there.get(path) for path in expected} == expected


@pytest.mark.parametrize(
    ("path", "method"),
    [("pipelines/", "post"), ("pipelines/{id}/", "patch"), ("jobs/", "post"), ("jobs/{id}/", "patch")],
)
def test_bodies_are_yaml_or_json(path: str, method: str, document: dict[str, Any]) -> None:
    assert list(document["paths"][ROOT + path][method]["requestBody"]["content"]) == DOCUMENTS


def test_it_says_who_may_ask(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert ways(paths[f"{ROOT}pipelines/"]["post"]) == {"clientCredentials", "clientSecret", "cookieAuth"}
    assert ways(paths[f"{ROOT}reports/"]["post"]) == {"runnerToken"}
    assert ways(paths[f"{ROOT}jobs/{{id}}/report/"]["post"]) == {"attemptToken"}
    schemes = document["components"]["securitySchemes"]
    assert schemes["clientCredentials"]["flows"]["clientCredentials"]["tokenUrl"] == "/oauth/token/"
    assert (schemes["clientSecret"]["scheme"], schemes["runnerToken"]["scheme"]) == ("basic", "bearer")


def test_it_says_what_may_be_asked_and_answered(document: dict[str, Any]) -> None:
    paths = document["paths"]
    submit = paths[f"{ROOT}pipelines/"]["post"]
    assert {"200", "201", "202", "default"} == set(submit["responses"])
    assert {each["name"] for each in submit["parameters"]} == {"client", "dry_run", "Idempotency-Key"}
    listing = {each["name"]: each["schema"]["type"] for each in paths[f"{ROOT}pipelines/"]["get"]["parameters"]}
    assert listing == {
        "state": "array", "name": "string", "label": "array", "created_after": "string", "created_before": "string",
        "client": "string", "ordering": "string", "cursor": "string", "page_size": "integer",
    }  # fmt: skip
    assert list(paths[f"{ROOT}jobs/{{id}}/log/"]["get"]["responses"]["200"]["content"]) == ["text/plain"]
    schemas = document["components"]["schemas"]
    assert set(schemas["PaginatedJobList"]["properties"]) == {"next", "previous", "results"}
    assert "token" in schemas["NewRunner"]["properties"] and "token" not in schemas["Runner"]["properties"]


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            content = operation["responses"]["default"]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_smaller_numbers_come_first_and_it_says_so(document: dict[str, Any]) -> None:
    assert "Smaller number = higher priority" in document["info"]["description"]


def test_swagger_ui_is_served_from_here(api: Api) -> None:
    page = api.get("docs/").text
    script = api.get("docs/?script=").text
    assert "swagger-ui" in page
    urls = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
    assert urls and all(url.startswith("/") for url in urls), urls
    assert not re.findall(r"https?://(?!testserver)", page + script)
    for url in urls:
        if url.startswith("/static/"):
            with contextlib.closing(Api().get(url)) as served:
                assert served.status_code == 200, url
