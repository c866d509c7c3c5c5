"""Kubernetes runners over HTTP: their cluster is made, shown and changed, and its credentials never come out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from pipelines import clock
from runners.executors.kubernetes import FOLLOW
from runners.kubernetes.connection import Connection
from runners.models import Cluster, Runner
from tests.api import Api, as_operator, mistakes, problem
from tests.clusters import SERVER, TOKEN, a_kubernetes_pipeline, a_kubernetes_runner, sync
from tests.kubernetes_api.certificates import Authority
from tests.operators import nudges
from tests.recorder import Recorder
from tests.scenes import a_client, a_runner, claim_all, run

pytestmark = pytest.mark.django_db

CA = Authority().pem
OTHER_CA = Authority().pem
OTHER = "https://10.0.0.2:6443"
GIVEN = {"server": SERVER, "namespace": "builds", "token": TOKEN}


@pytest.fixture
def api(db: None) -> Api:
    return as_operator()


def created(api: Api, **cluster: Any) -> dict[str, Any]:
    answer = api.post("runners/", {"name": "k8s", "type": "kubernetes", "cluster": {**GIVEN, **cluster}})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def path(runner: Runner) -> str:
    return f"runners/{runner.pk}/"


def kept(runner: Runner) -> Connection:
    return Connection.from_json(Cluster.objects.get(pk=runner.pk).connection)


def changed(api: Api, runner: Runner, **cluster: Any) -> dict[str, Any]:
    answer = api.patch(path(runner), {"cluster": cluster})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()["cluster"]
    return shown


def test_a_kubernetes_runner_is_made_and_its_credentials_are_not_shown(api: Api) -> None:
    body = created(api, ca=CA, namespaces=["tests"], service_accounts=["deployer", "ci.builder"])
    assert (body["type"], body["online"], body["token"]) == ("kubernetes", False, None)
    assert body["accepted_kinds"] == ["K8S/Deployment", "K8S/Job"]
    assert body["cluster"] == {
        "server": SERVER,
        "namespace": "builds",
        "namespaces": ["tests"],
        "service_accounts": ["deployer", "ci.builder"],
        "synced_at": None,
        "error": "",
    }
    runner = Runner.objects.get()
    assert kept(runner) == Connection(server=SERVER, token=TOKEN, ca=CA.strip())
    assert TOKEN not in Cluster.objects.get().sealed_connection


def test_no_answer_holds_what_is_kept(api: Api) -> None:
    body = created(api, ca=CA)
    where = f"runners/{body['id']}/"
    sealed = Cluster.objects.get().sealed_connection
    for answer in (
        api.get(where),
        api.get("runners/"),
        api.get(where, Accept="text/html"),
        api.get("runners/", Accept="text/html"),
        api.patch(where, {"capacity": 3}),
        api.patch(where, {"cluster": {"token": f"{TOKEN}-2"}}),
        api.post(f"{where}pause/"),
        api.post("runners/", {"name": "a b", "type": "kubernetes", "cluster": {**GIVEN, "token": f"{TOKEN} x"}}),
    ):
        for secret in (TOKEN, CA.splitlines()[1], sealed):
            assert secret not in answer.text


def test_a_cluster_s_least(api: Api) -> None:
    cluster = created(api)["cluster"]
    assert (cluster["namespaces"], cluster["service_accounts"]) == ([], [])
    assert kept(Runner.objects.get()).ca is None


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"server": "10.0.0.1"}, "/cluster/server"), ({"server": "http://10.0.0.1"}, "/cluster/server"),
        ({"server": "https://169.254.169.254"}, "/cluster/server"), ({"server": "\ud800"}, "/cluster/server"),
        ({"server": "https://" + "x" * 2048}, "/cluster/server"), ({"server": None}, "/cluster/server"),
        ({"namespace": ""}, "/cluster/namespace"), ({"namespace": "Builds"}, "/cluster/namespace"),
        ({"namespace": "x" * 64}, "/cluster/namespace"), ({"namespace": "a.b"}, "/cluster/namespace"),
        ({"namespaces": ["ok", "no_"]}, "/cluster/namespaces/1"), ({"namespaces": "ok"}, "/cluster/namespaces"),
        ({"namespaces": ["n"] * 101}, "/cluster/namespaces"),
        ({"service_accounts": ["-"]}, "/cluster/service_accounts/0"),
        ({"token": ""}, "/cluster/token"), ({"token": "two words"}, "/cluster/token"),
        ({"token": "a\nHost: b"}, "/cluster/token"), ({"token": None}, "/cluster/token"),
        ({"token": True}, "/cluster/token"),
        ({"ca": "no pem"}, "/cluster/ca"), ({"ca": "\ud800"}, "/cluster/ca"),
        ({"toke": "x"}, "/cluster/toke"), ({"kubeconfig": "x"}, "/cluster/kubeconfig"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_at_its_place(change: dict[str, Any], pointer: str, api: Api) -> None:
    sent = {"name": "k8s", "type": "kubernetes", "cluster": {**GIVEN, **change}}
    assert mistakes(api.post("runners/", sent)).keys() == {pointer}
    assert not Runner.objects.exists()


@pytest.mark.parametrize("name", ["server", "namespace", "token"])
def test_what_a_cluster_lacks_is_told(name: str, api: Api) -> None:
    cluster = {field: value for field, value in GIVEN.items() if field != name}
    answer = api.post("runners/", {"name": "k8s", "type": "kubernetes", "cluster": cluster})
    assert mistakes(answer).keys() == {f"/cluster/{name}"}


def test_all_mistakes_are_told_at_once(api: Api) -> None:
    cluster = {"server": "ftp://x", "namespace": "builds", "token": "a b", "ca": "c"}
    answer = api.post("runners/", {"name": "k8s", "type": "kubernetes", "cluster": cluster})
    assert mistakes(answer).keys() == {"/cluster/server", "/cluster/token", "/cluster/ca"}


@pytest.mark.parametrize("cluster", [None, [], "x", 7])
def test_a_kubernetes_runner_has_a_cluster(cluster: Any, api: Api) -> None:
    answer = api.post("runners/", {"name": "k8s", "type": "kubernetes", "cluster": cluster})
    assert mistakes(answer).keys() == {"/cluster"}
    assert mistakes(api.post("runners/", {"name": "k8s", "type": "kubernetes"})).keys() == {"/cluster"}
    assert mistakes(api.patch(path(a_kubernetes_runner()), {"cluster": None})).keys() == {"/cluster"}


def test_no_other_runner_has_one(api: Api) -> None:
    for runner_type in ("server", "http"):
        answer = api.post("runners/", {"name": "box", "type": runner_type, "cluster": GIVEN})
        assert mistakes(answer).keys() == {"/cluster"}
    runner = a_runner()
    assert mistakes(api.patch(path(runner), {"cluster": GIVEN})).keys() == {"/cluster"}
    assert mistakes(api.patch(path(runner), {"cluster": {"namespace": "x"}})).keys() == {"/cluster"}
    assert api.get(path(runner)).json()["cluster"] is None
    assert api.patch(path(runner), {"cluster": None, "capacity": 3}).status_code == 200
    assert not Cluster.objects.exists()


def test_its_names_are_changed_one_by_one(
    api: Api, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    runner = a_kubernetes_runner(service_accounts=["ci"])
    before = Cluster.objects.get().sealed_connection
    assert changed(api, runner, namespace="prod")["namespace"] == "prod"
    assert changed(api, runner, namespaces=["a", "b"])["namespaces"] == ["a", "b"]
    assert changed(api, runner, service_accounts=[])["service_accounts"] == []
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        shown = changed(api, runner, namespaces=["c"])
    assert FOLLOW in sent
    assert (shown["namespace"], shown["namespaces"], shown["service_accounts"]) == ("prod", ["c"], [])
    assert Cluster.objects.get().sealed_connection == before
    assert mistakes(api.patch(path(runner), {"cluster": {"namespace": "A"}})).keys() == {"/cluster/namespace"}


def test_what_was_shown_can_be_sent_back(api: Api) -> None:
    runner = a_kubernetes_runner()
    shown = api.get(path(runner)).json()
    again = api.patch(path(runner), shown)
    assert again.status_code == 200, again.text
    assert again.json()["cluster"] == shown["cluster"]
    assert kept(runner).token == TOKEN


def test_a_new_token_goes_where_the_old_one_went(
    api: Api, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    connection = Connection(server=SERVER, token=TOKEN, ca=CA, tls_server_name="kubernetes")
    runner = a_kubernetes_runner(connection=connection)
    Cluster.objects.update(not_before=clock.now() + timedelta(hours=1))
    sent = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        changed(api, runner, token="new")
    assert kept(runner) == Connection(server=SERVER, token="new", ca=CA, tls_server_name="kubernetes")
    assert Cluster.objects.get().not_before is None
    assert FOLLOW in sent


def test_the_authority_is_changed_and_taken_away_with_the_token(api: Api) -> None:
    runner = a_kubernetes_runner(connection=Connection(server=SERVER, token=TOKEN, ca=CA))
    changed(api, runner, token="new", ca=OTHER_CA)
    assert kept(runner).ca == OTHER_CA.strip()
    changed(api, runner, token="new", ca=None)
    assert kept(runner).ca is None


def test_another_server_starts_from_what_is_given(api: Api) -> None:
    runner = a_kubernetes_runner(connection=Connection(server=SERVER, token=TOKEN, ca=CA, tls_server_name="k"))
    assert changed(api, runner, server=f"{OTHER}/", token="new")["server"] == OTHER
    assert kept(runner) == Connection(server=OTHER, token="new")


@pytest.mark.parametrize(
    "change", [{"server": OTHER}, {"ca": OTHER_CA}, {"ca": None}, {"server": OTHER, "ca": OTHER_CA}]
)
def test_the_kept_token_is_never_sent_elsewhere(change: dict[str, Any], api: Api) -> None:
    runner = a_kubernetes_runner(connection=Connection(server=SERVER, token=TOKEN, ca=CA))
    assert mistakes(api.patch(path(runner), {"cluster": change})).keys() == {"/cluster/token"}
    assert kept(runner) == Connection(server=SERVER, token=TOKEN, ca=CA)
    assert Cluster.objects.get().server == SERVER


def test_what_can_no_longer_be_read_is_given_anew(api: Api) -> None:
    runner = a_kubernetes_runner()
    Cluster.objects.update(sealed_connection="made under a key that is gone")
    assert "SECRET_KEY" in mistakes(api.patch(path(runner), {"cluster": {"token": "new"}}))["/cluster/ca"]
    changed(api, runner, token="new", ca=None)
    assert kept(runner) == Connection(server=SERVER, token="new")


@pytest.mark.parametrize("change", [{"namespace": "prod"}, {"namespaces": []}, {"server": OTHER, "token": "new"}])
def test_live_attempts_keep_the_place_where_they_are(change: dict[str, Any], api: Api) -> None:
    runner = a_kubernetes_runner(namespaces=["tests"])
    a_kubernetes_pipeline(a_client(), "one", namespace="tests")
    (job,) = claim_all()
    assert "1 live" in problem(api.patch(path(runner), {"cluster": change, "capacity": 3}), 409)["detail"]
    assert Runner.objects.get().capacity == 16
    assert kept(runner).server == SERVER
    # What takes nothing from them goes on.
    changed(api, runner, token="new", namespaces=["more", "tests"], service_accounts=["ci"])
    # A cluster that does not answer may be left for another.
    sync(runner, error="unreachable: no route")
    changed(api, runner, **change)
    run(job)


def test_health_is_shown(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    _, failing, silent = (a_kubernetes_runner(name) for name in ("fresh", "failing", "silent"))
    at = clock.now()
    sync(failing, at=at, error="unauthorized: Unauthorized")
    sync(silent, at=at - timedelta(minutes=5))
    for _ in range(2):
        rows = {row["name"]: row for row in api.get("runners/").json()["results"]}
        assert {name: row["online"] for name, row in rows.items()} == {"fresh": True, "failing": False, "silent": False}
        assert rows["failing"]["cluster"]["error"] == "unauthorized: Unauthorized"
        assert rows["failing"]["cluster"]["synced_at"] == at.isoformat().replace("+00:00", "Z")
        assert rows["fresh"]["cluster"]["error"] == ""
    a_runner("box")
    with django_assert_num_queries(5):  # session, user, clock, runners with their clusters, clients
        api.get("runners/")


def test_it_is_paused_drained_and_resumed(api: Api, told: Recorder) -> None:
    runner = a_kubernetes_runner()
    a_kubernetes_pipeline(a_client(), "one", "two")
    assert api.post(f"{path(runner)}pause/", {"note": "upgrade"}).json()["paused"] is True
    assert claim_all() == []
    drained = api.post(f"{path(runner)}drain/").json()
    assert (drained["paused"], bool(drained["draining_since"]), drained["online"]) == (True, True, True)
    api.post(f"{path(runner)}resume/")
    assert len(claim_all()) == 2


def test_it_is_deleted_with_its_cluster_once_idle(api: Api) -> None:
    runner = a_kubernetes_runner()
    a_kubernetes_pipeline(a_client(), "one")
    (job,) = claim_all()
    assert "1 live" in problem(api.delete(path(runner)), 409)["detail"]
    assert Cluster.objects.exists()
    run(job)
    assert api.delete(path(runner)).status_code == 204
    assert not Cluster.objects.exists()
    assert [each["runner"] for each in api.get(f"jobs/{job.pk}/attempts/").json()["results"]] == ["k8s"]


def test_the_notes_of_rounds_are_no_evidence(api: Api) -> None:
    a_kubernetes_runner()
    a_kubernetes_pipeline(a_client(), "one")
    (job,) = claim_all()
    attempt = job.attempts.get()
    attempt.evidence = {"kubernetes": {"cursors": {}}, "pods": []}
    attempt.save()
    (shown,) = api.get(f"jobs/{job.pk}/attempts/").json()["results"]
    assert shown["evidence"] == {"pods": []}


def test_no_repr_and_no_row_holds_the_token() -> None:
    runner = a_kubernetes_runner()
    assert kept(runner).token == TOKEN
    assert TOKEN not in f"{runner!r} {runner.cluster!r} {kept(runner)!r} {vars(Cluster.objects.get())!r}"
