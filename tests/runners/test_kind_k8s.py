"""The Kubernetes kinds' params: what the API server would refuse is refused with the document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines import kinds
from pipelines.definition import DocumentErrors, parse_job, parse_job_changes
from pipelines.kinds import Kind

JOB = kinds.resolve("K8S/Job", "1.0.0")
DEPLOYMENT = kinds.resolve("K8S/Deployment", "1.0.0")
LEAST: dict[str, Any] = {"container_name": "c", "image_name": "busybox"}

_LABEL = "must be a DNS label: 1 to 63 lower-case letters, digits and '-', the first and last no '-', not "
_SUBDOMAIN = (
    "must be a DNS name: 1 to 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a \
letter or digit, not "
)
_KEY = "its name must be a name of up to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit; \
before it there may be a DNS name and '/', not "
_VALUE = "must be empty or up to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit, not "
_QUANTITY = "must be a quantity that is not negative, for example '500m', '2' or '1Gi', not "
_VARIABLE = "its name must be made of letters, digits, '_', '-' and '.', and begin with no digit and no '..', not "
_IMAGE = "must be the name of an image, without blanks, for example 'busybox:1.37', not "
_PORT = "must be 1 to 15 lower-case letters, digits and single '-', with at least one letter and no '-' at an end, not "

BOTH_REFUSED: list[tuple[dict[str, Any], tuple[Any, ...], str | None]] = [
    ({"container_name": None}, ("container_name",), "must be a string, not null"),
    *(({"container_name": bad}, ("container_name",), f"{_LABEL}'{bad}'") for bad in ("", "A", "a.b", "-a", "a-")),
    ({"container_name": "a" * 64}, ("container_name",), f"{_LABEL}'{'a' * 59}…'"),
    ({"container_name": "a\n"}, ("container_name",), f"{_LABEL}'a\\n'"),
    *(({"namespace": bad}, ("namespace",), f"{_LABEL}'{bad}'") for bad in ("Prod", "a/b", "kube.system")),
    *(({"image_name": bad}, ("image_name",), f"{_IMAGE}'{bad}'") for bad in ("", " ", "a b", " a")),
    ({"command": "make"}, ("command",), "must be a list, not the string 'make'"),
    ({"command": ["make", 1]}, ("command", 1), "must be a string, not the number 1"),
    ({"args": ["\0"]}, ("args", 0), "must not contain a NUL character: no program can be given one"),
    *(({"env": {bad: "x"}}, ("env", bad), f"{_VARIABLE}'{bad}'") for bad in ("", "1A", "A B", "A=B", "..A", ".", "é")),
    ({"env": {"A": 1}}, ("env", "A"), "must be a string, not the number 1"),
    ({"env": {"A": "\0"}}, ("env", "A"), "must not contain a NUL character: no program can be given one"),
    ({"env": [{"name": "A", "value": "x"}]}, ("env",), "must be an object, not a list"),
    ({"resources": {"limit": {}}}, ("resources", "limit"), "'limit' is not a known field: did you mean 'limits'?"),
    *(
        ({"resources": {"limits": {"cpu": bad}}}, ("resources", "limits", "cpu"), f"{_QUANTITY}'{bad}'")
        for bad in ("", "-1", "1 Gi", "1gi", "1GB", "one", "1e999", "1,5", "1_0")
    ),
    *(
        ({"resources": {"limits": {"cpu": bad}}}, ("resources", "limits", "cpu"), f"{_QUANTITY}the number {bad}")
        for bad in (-1, -0.5, 2**63, float("inf"))
    ),
    ({"resources": {"limits": {"cpu": True}}}, ("resources", "limits", "cpu"),
     "must be a string or an integer or a number, not true"),
    ({"resources": {"limits": {"gpu": 1}}}, ("resources", "limits", "gpu"),
     "its name must be 'cpu', 'memory', 'ephemeral-storage', 'hugepages-2Mi' or, with a domain, like 'nvidia.com/gpu', "
     "not 'gpu'"),
    ({"service_account": "Robot"}, ("service_account",), f"{_SUBDOMAIN}'Robot'"),
    ({"image_pull_secrets": ["a..b"]}, ("image_pull_secrets", 0), f"{_SUBDOMAIN}'a..b'"),
    ({"image_pull_secrets": ["a", "a"]}, ("image_pull_secrets",), "must not name the same secret twice"),
    *(({"labels": {bad: "x"}}, ("labels", bad), f"{_KEY}'{bad}'") for bad in ("", "a b", "-a", "/a", "A.b/x", "a/b/c")),
    ({"labels": {"a": "b c"}}, ("labels", "a"), f"{_VALUE}'b c'"),
    ({"labels": {"a": "b" * 64}}, ("labels", "a"), f"{_VALUE}'{'b' * 59}…'"),
    ({"labels": {"a": 1}}, ("labels", "a"), "must be a string, not the number 1"),
    ({"labels": {"taskpipeline.dev/install": "x"}}, ("labels", "taskpipeline.dev/install"),
     "names that begin with 'taskpipeline.dev/' are reserved: choose another"),
    ({"labels": {"batch.kubernetes.io/job-name": "x"}}, ("labels", "batch.kubernetes.io/job-name"),
     "names that begin with 'batch.kubernetes.io/' are reserved: choose another"),
    ({"labels": {"controller-uid": "x"}}, ("labels", "controller-uid"),
     "the name 'controller-uid' is reserved by Kubernetes: choose another"),
    ({"labels": {"pod-template-hash": "x"}}, ("labels", "pod-template-hash"),
     "the name 'pod-template-hash' is reserved by Kubernetes: choose another"),
    ({"annotations": {"deployment.kubernetes.io/revision": "1"}}, ("annotations", "deployment.kubernetes.io/revision"),
     "names that begin with 'deployment.kubernetes.io/' are reserved: choose another"),
    ({"labels": {str(n): "" for n in range(101)}}, ("labels",), "must hold at most 100 items, not 101"),
    ({"volumes": []}, ("volumes",), None),
]  # fmt: skip
JOB_REFUSED: list[tuple[dict[str, Any], tuple[Any, ...], str | None]] = [
    ({"image_pull_policy": "always"}, ("image_pull_policy",),
     "must be 'Always', 'IfNotPresent' or 'Never', not the string 'always'"),
    ({"parallelism": 0}, ("parallelism",), "must be at least 1, not the number 0"),
    ({"parallelism": 1001}, ("parallelism",), "must be at most 1000, not the number 1001"),
    ({"completions": 0}, ("completions",), "must be at least 1, not the number 0"),
    ({"completions": "2"}, ("completions",), "must be an integer, not the string '2': remove the quotes"),
    ({"ttl_seconds_after_finished": 599}, ("ttl_seconds_after_finished",), "must be at least 600, not the number 599"),
    ({"node_selector": {"a": "b c"}}, ("node_selector", "a"), f"{_VALUE}'b c'"),
    ({"replicas": 1}, ("replicas",), None),
]  # fmt: skip
DEPLOYMENT_REFUSED: list[tuple[dict[str, Any], tuple[Any, ...], str | None]] = [
    ({"name": "my.web"}, ("name",), f"{_LABEL}'my.web'"),
    ({"name": ""}, ("name",), f"{_LABEL}''"),
    ({"replicas": -1}, ("replicas",), "must be at least 0, not the number -1"),
    ({"replicas": 1001}, ("replicas",), "must be at most 1000, not the number 1001"),
    ({"ports": ["80"]}, ("ports", 0), "must be an integer or an object, not the string '80': remove the quotes"),
    ({"ports": [0]}, ("ports", 0), "must be at least 1, not the number 0"),
    ({"ports": [{"container_port": 65536}]}, ("ports", 0, "container_port"),
     "must be at most 65535, not the number 65536"),
    ({"ports": [{"name": "web"}]}, ("ports", 0, "container_port"), "'container_port' is required"),
    ({"ports": [{"container_port": 1, "protocol": "tcp"}]}, ("ports", 0, "protocol"),
     "must be 'TCP', 'UDP' or 'SCTP', not the string 'tcp'"),
    *(({"ports": [{"container_port": 1, "name": bad}]}, ("ports", 0, "name"), f"{_PORT}'{bad}'")
      for bad in ("80", "a--b", "Web", "-a", "a234567890123456")),
    ({"strategy": "Rolling"}, ("strategy",), "must be 'RollingUpdate' or 'Recreate', not the string 'Rolling'"),
    ({"strategy": {"max_surge": "25"}}, ("strategy", "max_surge"),
     "must be a number of pods or a percentage like '25%', not '25'"),
    ({"strategy": {"max_surge": -1}}, ("strategy", "max_surge"), "must be at least 0, not the number -1"),
    ({"progress_deadline_seconds": 0}, ("progress_deadline_seconds",), "must be at least 1, not the number 0"),
    ({"rollback_on_failure": "yes"}, ("rollback_on_failure",),
     "must be true or false, not the string 'yes': write true or false, without quotes"),
    ({"parallelism": 1}, ("parallelism",), None),
]  # fmt: skip
# What JSON Schema cannot say, or only at a length that helps nobody.
BEYOND_SCHEMA: list[tuple[Kind, dict[str, Any], tuple[Any, ...], str | None]] = [
    (JOB, {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1023Mi"}}}, ("resources",),
     "requests more memory (1Gi) than its limit allows (1023Mi)"),
    (JOB, {"resources": {"requests": {"example.com/gpu": 1}}}, ("resources",),
     "must give example.com/gpu as a limit, and as a request, if at all, the same: it is not shared"),
    (JOB, {"resources": {"limits": {"example.com/gpu": "500m"}}}, ("resources",),
     "must give example.com/gpu as a whole number"),
    (JOB, {"annotations": {"a": "é" * 131072}}, ("annotations",),
     "must have at most 262144 bytes together, as Kubernetes allows"),
    (DEPLOYMENT, {"ports": [80, {"container_port": 80, "name": "web"}]}, ("ports",),
     "must not hold the same port and protocol twice"),
    (DEPLOYMENT, {"ports": [{"container_port": 80, "name": "web"}, {"container_port": 81, "name": "web"}]}, ("ports",),
     "must not give two ports the same name"),
    (DEPLOYMENT, {"strategy": {"type": "Recreate", "max_surge": 1}}, ("strategy",),
     "of type Recreate takes neither 'max_surge' nor 'max_unavailable': remove them"),
    (DEPLOYMENT, {"strategy": {"max_surge": 0, "max_unavailable": "0%"}}, ("strategy",),
     "cannot have both 'max_surge' and 'max_unavailable' 0: no pod could ever be replaced"),
    (DEPLOYMENT, {"strategy": {"max_unavailable": "101%"}}, ("strategy",),
     "must have a 'max_unavailable' of at most 100%"),
]  # fmt: skip
BOTH_TAKEN: list[dict[str, Any]] = [
    {},
    {"container_name": "a" * 63, "namespace": "0", "image_name": "UPPER/case:is-the-kubelets-to-refuse"},
    {"command": [], "args": ["", "$(HOME)"], "env": {"A.b-C_1": "", "_": "x\n"}},
    {"command": None, "args": None, "namespace": None, "service_account": None},
    {
        "resources": {
            "requests": {"cpu": 0.5},
            "limits": {"cpu": "500m", "memory": 1048576, "ephemeral-storage": ".5Gi"},
        }
    },
    {"resources": {"limits": {"nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi", "cpu": "1E", "memory": "1e3"}}},
    {"service_account": "team.robot", "image_pull_secrets": ["a", "b.c"]},
    {"labels": {"a": "", "app.kubernetes.io/name": "x", "A_b.c": "D-e", f"{'x' * 253}/{'y' * 63}": "z" * 63}},
    {"annotations": {"prometheus.io/scrape": "true", "note": "a line\nand another"}},
]
JOB_TAKEN: list[dict[str, Any]] = [
    {"image_pull_policy": None, "node_selector": {"kubernetes.io/arch": "arm64"}},
    {"parallelism": 1000, "completions": 10_000, "ttl_seconds_after_finished": 600},
]
DEPLOYMENT_TAKEN: list[dict[str, Any]] = [
    {"name": None, "replicas": 0, "ports": [53, {"container_port": 53, "protocol": "UDP", "name": "dns-2"}]},
    {"strategy": "Recreate"},
    {"strategy": {"type": "Recreate"}},
    {"strategy": {"max_surge": "200%", "max_unavailable": 0}},
]
REFUSED = [
    *((JOB, *each) for each in BOTH_REFUSED + JOB_REFUSED),
    *((DEPLOYMENT, *each) for each in BOTH_REFUSED + DEPLOYMENT_REFUSED),
]
TAKEN = [
    *((JOB, each) for each in BOTH_TAKEN + JOB_TAKEN),
    *((DEPLOYMENT, each) for each in BOTH_TAKEN + DEPLOYMENT_TAKEN),
]


def problems(kind: Kind, params: dict[str, Any]) -> dict[tuple[Any, ...], str]:
    return {problem.path: problem.detail for problem in kind.problems({**LEAST, **params})}


@pytest.mark.parametrize(("kind", "params", "path", "detail"), REFUSED + BEYOND_SCHEMA)
def test_params_that_the_api_server_would_refuse_are_refused(
    kind: Kind, params: dict[str, Any], path: tuple[Any, ...], detail: str | None
) -> None:
    found = problems(kind, params)

    assert list(found) == [path]
    assert detail is None or found[path] == detail


@pytest.mark.parametrize(("kind", "params"), TAKEN)
def test_params_that_it_takes_are_taken(kind: Kind, params: dict[str, Any]) -> None:
    assert problems(kind, params) == {}


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT])
def test_the_container_and_its_image_are_named(kind: Kind) -> None:
    assert {problem.path: problem.detail for problem in kind.problems({})} == {
        ("container_name",): "'container_name' is required",
        ("image_name",): "'image_name' is required",
    }


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT])
def test_the_schema_says_what_the_checks_say(kind: Kind) -> None:
    Draft202012Validator.check_schema(kind.schema())
    validator = Draft202012Validator(kind.schema())

    taken = [params for of, params in TAKEN if of is kind]
    refused = [params for of, params, _, _ in REFUSED if of is kind]

    assert [params for params in taken if not validator.is_valid({**LEAST, **params})] == []
    assert [params for params in refused if validator.is_valid({**LEAST, **params})] == []


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT])
def test_the_example_is_valid_and_a_cluster_executes_it(kind: Kind) -> None:
    assert kind.problems(kind.example) == []
    assert Draft202012Validator(kind.schema()).is_valid(dict(kind.example))
    assert kind.runner_type == "kubernetes"


def job(called: str, /, *, kind: str = "K8S/Deployment", **params: Any) -> dict[str, Any]:
    return {"name": called, "stage": "deploy", "kind": kind, "version": "1.0.0", "params": {**LEAST, **params}}


def refusal_of(parse: Callable[[], Any]) -> dict[str, str]:
    with pytest.raises(DocumentErrors) as caught:
        parse()
    return {error.pointer: error.detail for error in caught.value.errors}


@pytest.mark.parametrize("name", ["Deploy web", "web_1", "a" * 64, "-web", "web.example"])
def test_a_deployment_without_a_name_needs_a_job_that_is_called_like_one(name: str) -> None:
    found = refusal_of(lambda: parse_job(job(name)))

    assert list(found) == ["/name"]
    assert found["/name"].startswith("must be a DNS label")
    assert parse_job(job(name, name="web")).name == name
    assert parse_job(job(name, kind="K8S/Job")).name == name


def test_a_deployment_may_be_called_like_its_job() -> None:
    assert parse_job(job("web-1")).params["container_name"] == "c"
    assert parse_job(job("a" * 63, name=None)).name == "a" * 63


def test_a_change_must_not_leave_a_deployment_without_a_name() -> None:
    def change(params: dict[str, Any], *, name: str) -> dict[str, Any]:
        value = {"params": {**LEAST, **params}}
        return parse_job_changes(value, kind="K8S/Deployment", version="1.0.0", name=name)

    assert "/params" in refusal_of(lambda: change({}, name="Deploy web"))
    assert change({"name": "web"}, name="Deploy web")["params"]["name"] == "web"
    assert change({}, name="web")["params"] == LEAST


def test_a_hostile_name_costs_no_time() -> None:
    long = "a-" * 500_000
    params = {**LEAST, "namespace": long, "labels": {f"{long}/{long}": long}, "service_account": "a." * 500_000}

    assert len(JOB.problems(params)) == 4
