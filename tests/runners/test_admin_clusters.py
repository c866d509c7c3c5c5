"""Kubernetes runners in the admin: what is entered, what is kept, and that no page shows a credential."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
import yaml
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from pytest_django import DjangoCaptureOnCommitCallbacks

from pipelines import clock
from runners.executors.kubernetes import FOLLOW
from runners.kubernetes.connection import Connection
from runners.models import Cluster, Runner
from tests.clusters import SERVER, TOKEN, a_kubernetes_pipeline, a_kubernetes_runner, sync
from tests.kubernetes_api.certificates import Authority
from tests.operators import SCRIPT, an_operator, form_of, messages, nudges, page, queries
from tests.recorder import Recorder
from tests.scenes import a_client, a_runner, claim_all, run

pytestmark = pytest.mark.django_db

LIST = "/admin/runners/runner/"
ADD = f"{LIST}add/"
AUTHORITY = Authority()
OURS = AUTHORITY.sign("deployer")
OTHER = "https://10.0.0.2:6443"
GIVEN = {"name": "k8s", "type": "kubernetes", "server": SERVER, "namespace": "builds", "token": TOKEN}


def path(runner: Runner, name: str = "change") -> str:
    return f"{LIST}{runner.pk}/{name}/"


def kept(runner: Runner) -> Connection:
    return Connection.from_json(Cluster.objects.get(pk=runner.pk).connection)


def errors(text: str) -> dict[str, str]:
    """Return what the page says is wrong, by field."""
    found = re.findall(r'<ul class="errorlist" id="id_(\w+)_error">\s*<li>(.*?)</li>', text, re.DOTALL)
    return dict(found)


def sent(operator: Browser, where: str, **changes: Any) -> Any:
    return operator.post(where, form_of(page(operator, where)) | changes)


def kubeconfig(*, user: dict[str, Any], cluster: dict[str, Any] | None = None) -> str:
    return yaml.safe_dump(
        {
            "current-context": "a",
            "contexts": [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("a", "b")],
            "clusters": [
                {"name": "a", "cluster": {"server": SERVER, **(cluster or {})}},
                {"name": "b", "cluster": {"server": OTHER}},
            ],
            "users": [{"name": "u", "user": user}],
        }
    )


def assert_nowhere(operator: Browser, runner: Runner, *secrets: str) -> None:
    """No page, no history, no session holds one of the secrets, or what is stored of them."""
    names = ("change", "history", "delete", "pause", "resume", "drain")
    texts = [page(operator, LIST), page(operator, ADD), *(page(operator, path(runner, name)) for name in names)]
    texts += [str(session.get_decoded()) for session in Session.objects.all()]
    texts += LogEntry.objects.values_list("change_message", flat=True)
    for secret in (*secrets, Cluster.objects.get(pk=runner.pk).sealed_connection):
        assert all(secret not in text for text in texts)


def test_one_is_made_with_a_token(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    operator, told = an_operator(), nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        answer = sent(
            operator, ADD, **GIVEN, ca=AUTHORITY.pem, namespaces="tests, prod", service_accounts="ci", capacity="4"
        )
    assert answer.status_code == 302, errors(answer.text)
    runner = Runner.objects.get()
    assert (runner.type, runner.capacity, runner.token_digest) == ("kubernetes", 4, "")
    cluster = runner.cluster
    assert (cluster.server, cluster.namespace, cluster.namespaces) == (SERVER, "builds", ["tests", "prod"])
    assert cluster.service_accounts == ["ci"]
    assert kept(runner).token == TOKEN
    assert kept(runner).ca is not None
    assert FOLLOW in told
    assert_nowhere(operator, runner, TOKEN, AUTHORITY.pem.splitlines()[1])


def test_one_is_made_with_a_kubeconfig() -> None:
    user = {
        "client-certificate-data": base64.b64encode(OURS.certificate.encode()).decode(),
        "client-key-data": base64.b64encode(OURS.key.encode()).decode(),
    }
    operator = an_operator()
    given = {"name": "k8s", "type": "kubernetes", "namespace": "builds", "kubeconfig": kubeconfig(user=user)}
    assert sent(operator, ADD, **given, context="b").status_code == 302
    runner = Runner.objects.get()
    assert kept(runner) == Connection(server=OTHER, client_certificate=OURS.certificate, client_key=OURS.key)
    assert runner.cluster.server == OTHER
    assert_nowhere(operator, runner, OURS.key.splitlines()[1], user["client-key-data"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"server": ""}, {"server": "needs it"}),
        ({"namespace": ""}, {"namespace": "needs it"}),
        ({"token": ""}, {"token": "Give the token"}),
        ({"server": "10.0.0.1"}, {"server": "is a URL"}),
        ({"server": "http://10.0.0.1", "token": "a b"}, {"server": "must be https", "token": "no bearer token"}),
        ({"ca": "none"}, {"ca": "not a certificate"}),
        ({"namespace": "A_b"}, {"namespace": "Lower-case letters"}),
        ({"namespaces": "ok, A"}, {"namespaces": "Lower-case letters"}),
        ({"service_accounts": "-"}, {"service_accounts": "Lower-case letters"}),
        ({"context": "a"}, {"context": "kubeconfig"}),
        ({"kubeconfig": kubeconfig(user={"token": "t"})}, {"token": "either this or a kubeconfig"}),
        ({"kubeconfig": "a: [", "token": ""}, {"kubeconfig": "not YAML"}),
        ({"kubeconfig": "a: 2024-99-99", "token": ""}, {"kubeconfig": "not YAML"}),
        ({"kubeconfig": kubeconfig(user={"token": 5}), "token": ""}, {"kubeconfig": "put it in quotes"}),
        ({"kubeconfig": kubeconfig(user={"exec": {"command": "aws"}}), "token": ""}, {"kubeconfig": "runs a program"}),
        ({"kubeconfig": kubeconfig(user={"tokenFile": "/etc/passwd"}), "token": ""}, {"kubeconfig": "not read here"}),
        (
            {"kubeconfig": kubeconfig(user={"token": "t"}, cluster={"certificate-authority": "/etc/ca"}), "token": ""},
            {"kubeconfig": "certificate-authority-data"},
        ),
        ({"type": "server"}, {"server": "Only a kubernetes runner"}),
    ],
)
def test_a_mistake_is_told_at_its_field_and_nothing_is_shown_again(
    change: dict[str, str], told: dict[str, str]
) -> None:
    answer = sent(an_operator(), ADD, **{**GIVEN, **change})
    assert answer.status_code == 200
    found = errors(answer.text)
    assert found.keys() == told.keys()
    assert all(words in found[name] for name, words in told.items())
    assert TOKEN not in answer.text
    assert "root:" not in answer.text
    assert not Runner.objects.exists()


def test_an_edit_keeps_what_was_not_entered() -> None:
    before = Connection(server=SERVER, token=TOKEN, ca=AUTHORITY.pem)
    runner, operator = a_kubernetes_runner(connection=before, service_accounts=["ci"]), an_operator()
    text = page(operator, path(runner))
    assert {name: form_of(text)[name] for name in ("token", "ca", "kubeconfig")} == {
        "token": "",
        "ca": "",
        "kubeconfig": "",
    }
    sealed = Cluster.objects.get().sealed_connection
    assert sent(operator, path(runner), namespaces="a,b", capacity="5").status_code == 302
    runner.refresh_from_db()
    assert (runner.capacity, runner.cluster.namespaces, runner.cluster.service_accounts) == (5, ["a", "b"], ["ci"])
    assert Cluster.objects.get().sealed_connection == sealed
    assert_nowhere(operator, runner, TOKEN)


def test_an_old_page_undoes_nobody_else_s_change() -> None:
    runner, operator = a_kubernetes_runner(), an_operator()
    form = form_of(page(operator, path(runner)))
    Cluster.objects.update(namespaces=["meanwhile"])
    operator.post(path(runner), form | {"service_accounts": "ci"})
    cluster = Cluster.objects.get()
    assert (cluster.namespaces, cluster.service_accounts) == (["meanwhile"], ["ci"])


def test_a_new_token_is_kept_and_named_in_the_history_only(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    runner, operator = (
        a_kubernetes_runner(connection=Connection(server=SERVER, token=TOKEN, ca=AUTHORITY.pem)),
        an_operator(),
    )
    told = nudges(monkeypatch)
    with django_capture_on_commit_callbacks(execute=True):
        assert sent(operator, path(runner), token="another-secret").status_code == 302
    assert kept(runner) == Connection(server=SERVER, token="another-secret", ca=AUTHORITY.pem)
    assert FOLLOW in told
    assert LogEntry.objects.get().get_change_message() == "Changed token."
    assert_nowhere(operator, runner, TOKEN, "another-secret")


def test_the_kept_token_goes_to_no_other_server() -> None:
    runner, operator = a_kubernetes_runner(), an_operator()
    for change in ({"server": OTHER}, {"ca": AUTHORITY.pem}):
        assert errors(sent(operator, path(runner), **change).text).keys() == {"token"}
    assert kept(runner) == Connection(server=SERVER, token=TOKEN)
    assert sent(operator, path(runner), server=OTHER, token="new").status_code == 302
    assert kept(runner) == Connection(server=OTHER, token="new")
    assert sent(operator, path(runner), kubeconfig=kubeconfig(user={"token": "third"})).status_code == 302
    assert kept(runner) == Connection(server=SERVER, token="third")


def test_a_refusal_becomes_a_message_and_keeps_all_as_it_was() -> None:
    runner, operator = a_kubernetes_runner(), an_operator()
    a_kubernetes_pipeline(a_client(), "one")
    claim_all()
    form = form_of(page(operator, path(runner))) | {"namespace": "other", "capacity": "3"}
    answer = operator.post(path(runner), form, follow=True)
    assert "Runner k8s has 1 live attempts" in messages(answer)[0]
    runner.refresh_from_db()
    assert (runner.capacity, runner.cluster.namespace) == (16, "builds")


def test_its_health_stands_in_the_list_and_on_its_page() -> None:
    _, failing, silent, new = (a_kubernetes_runner(name) for name in ("fresh", "failing", "silent", "new"))
    sync(failing, error=f"unauthorized: {SCRIPT} {'x' * 300}")
    sync(silent, at=clock.now() - timedelta(minutes=5))
    Cluster.objects.filter(pk=new.pk).update(synced_at=None)
    a_runner("box")
    a_runner("away", online=False)
    operator = an_operator()
    html = page(operator, LIST)
    rows = dict(re.findall(r'<tr>.*?/change/">([\w]+)</a>(.*?)</tr>', html, re.DOTALL))
    health = {name: re.findall(r'field-health">(.*?)</td>', row)[0] for name, row in rows.items()}
    assert health["fresh"].startswith("synced ")
    assert health["failing"].startswith("offline: unauthorized: &lt;script&gt;")
    assert len(health["failing"]) < 300
    assert health["silent"].startswith("offline: no round since ")
    assert health["new"].startswith("offline: no round yet;")
    assert health["box"].startswith("reported ")
    assert health["away"] == "offline: never reported"
    assert "icon-yes" in rows["fresh"]
    assert all("icon-no" in rows[name] for name in ("failing", "silent", "new", "away"))
    shown = page(operator, path(failing))
    assert SCRIPT not in html + shown
    assert "x" * 300 in shown
    assert "field-synced_at" in shown
    assert "field-seen_at" not in shown
    assert "field-cluster_error" not in page(operator, path(Runner.objects.get(name="box")))


def test_the_list_costs_the_same_for_two_and_for_twenty() -> None:
    operator = an_operator()
    for number in range(2):
        a_kubernetes_runner(f"r{number}")
    few = queries(lambda: page(operator, LIST))
    for number in range(2, 20):
        a_kubernetes_runner(f"r{number}")
    assert len(queries(lambda: page(operator, LIST))) == len(few)


def test_who_only_looks_sees_the_cluster_and_no_field_for_credentials() -> None:
    runner = a_kubernetes_runner(namespaces=["tests"], service_accounts=["ci"])
    text = page(an_operator("view_runner", name="vera"), path(runner))
    for shown in (SERVER, "builds", "tests", "ci"):
        assert f'<div class="readonly">{shown}</div>' in text
    assert 'name="token"' not in text
    assert "field-token" not in text
    assert TOKEN not in text


def test_it_has_no_token_of_its_own_to_rotate() -> None:
    runner, operator = a_kubernetes_runner(), an_operator()
    assert path(runner, "rotate-token") not in page(operator, path(runner))
    for answer in (operator.get(path(runner, "rotate-token")), operator.post(path(runner, "rotate-token"))):
        assert answer.status_code == 404
    runner.refresh_from_db()
    assert runner.token_digest == ""


def test_it_is_drained_and_deleted_once_idle(told: Recorder) -> None:
    runner, operator = a_kubernetes_runner(), an_operator()
    assert "No process of it" in page(operator, path(runner, "drain"))
    answer = operator.post(path(runner, "drain"), {"note": "moves"}, follow=True)
    assert messages(answer) == ["Runner k8s is draining: it gets no new jobs."]
    runner.refresh_from_db()
    assert runner.draining_since is not None
    assert claim_all() == []
    operator.post(path(runner, "resume"))
    a_kubernetes_pipeline(a_client(), "one")
    (job,) = claim_all()
    assert "has live attempts" in operator.post(path(runner, "delete"), {"post": "yes"}).text
    run(job)
    assert operator.post(path(runner, "delete"), {"post": "yes"}).status_code == 302
    assert not Cluster.objects.exists()


def test_a_server_runner_s_page_has_no_cluster() -> None:
    runner, operator = a_runner("box"), an_operator()
    assert 'name="namespace"' not in page(operator, path(runner))
    assert sent(operator, path(runner), server=SERVER, namespace="x", token=TOKEN).status_code == 302
    assert not Cluster.objects.exists()
