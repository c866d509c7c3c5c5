"""Secrets planted in a whole run stand in no table, no log of a process, no message and no page afterwards."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from taskpipeline.engines.binaries import postgres_home
from tests.e2e.stack import ROOT, Stack, eventually, shell
from tests.kubernetes_api import ApiServer, serving
from tests.kubernetes_api.access import EVERYTHING

SETTINGS = {"LOG_FORMAT": "json"}

VALUE = "Zu7-kQ2_w9.Xe4/rT6+vB1!nM3"
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END KEY-----\n"
GONE = "Wk8-deleted-before-it-was-used"
KUBE_TOKEN = "kube-token-Hq5zL0pR8sV2"
PASSWORD = "operator-Gd6tY9uJ3mC7"
MARKER = "a-run-with-secrets"

JOBS = [
    shell("plain", 'echo "plain $S end"'),
    shell("base64", 'printf %s "$S" | base64; printf "user:%s" "$S" | base64; printf "%s\\n" "$S" | base64 -w0'),
    shell("halves", 'printf "Zu7-kQ2_w9"; sleep 0.3; printf ".Xe4/rT6+vB1!nM3\\n"; echo "${{ secrets.TOKEN }}"'),
    shell("key", 'printf %s "$K" | sed "s/^/  /"; printf %s "$K" | base64'),
    shell("cwd", allow_failure=True),
    shell("gone", "echo ${{ secrets.GONE }}", stage="later", allow_failure=True),
]


def _document() -> dict[str, Any]:
    jobs = []
    for job in JOBS:
        params: dict[str, Any] = {"command": job["params"]["command"]}
        params["env"] = {"S": "${{ secrets.TOKEN }}", "K": "${{ secrets.KEY }}"}
        if job["name"] == "cwd":
            params["cwd"] = "/nowhere/${{ secrets.TOKEN }}"
        jobs.append({**job, "params": params})
    cluster = {"container_name": "main", "image_name": "slow/4", "env": {"S": "${{ secrets.TOKEN }}"}}
    jobs.append({"name": "pod", "stage": "run", "kind": "K8S/Job", "version": "1.0.0", "params": cluster})
    return {"name": MARKER, "stages": ["run", "later"], "jobs": jobs}


class Run:
    """What a run leaves, and the secrets that were planted in it."""

    def __init__(self, stack: Stack, cluster: ApiServer, files: Path) -> None:
        self.stack = stack
        made = stack.command("create_client", "scanned")
        self.api = stack.as_client(made["client_id"], made["client_secret"])
        answer = httpx.post(
            f"{stack.url}/oauth/token/",
            data={"grant_type": "client_credentials"},
            auth=(made["client_id"], made["client_secret"]),
            trust_env=False,
        )
        token = answer.json()["access_token"]
        self.needles = {
            "client secret": made["client_secret"],
            "webhook secret": made["webhook_secret"],
            "access token": token,
            "runner token": (stack.var_dir / "runners" / "local.token").read_text().strip(),
            "key of the service": (stack.var_dir / "secret.key").read_text().strip(),
            "kube token": KUBE_TOKEN,
            "password": PASSWORD,
            "deleted secret": GONE,
            **_forms("value", VALUE),
            **_forms("key", KEY.splitlines()[1]),
            "key in base64": base64.b64encode(KEY.encode()).decode()[40:60],
        }
        for name, value in (("TOKEN", "before"), ("TOKEN", VALUE), ("KEY", KEY), ("GONE", GONE)):
            assert self.api.put(f"/me/secrets/{name}/", json={"value": value}).status_code in (201, 204)
        assert self.api.put("/me/secrets/1BAD/", json={"value": VALUE}).status_code == 400
        assert self.api.put("/me/secrets/BAD/", json={"valu": VALUE}).status_code == 400
        (files / "token").write_text(KUBE_TOKEN)
        cluster.add_token(KUBE_TOKEN, rules=EVERYTHING)
        way = ("--server", cluster.url, "--token-file", str(files / "token"))
        stack.command("create_runner", "cluster", "--type", "kubernetes", "--namespace", "default", *way)
        self.pipeline = stack.submit(_document(), api=self.api)
        # It was there when the pipeline was submitted; its stage has not begun.
        assert self.api.delete("/me/secrets/GONE/").status_code == 204
        self._follow(cluster)
        self.jobs = {
            job["name"]: job["id"] for job in self.api.get(f"/jobs/?pipeline={self.pipeline}").json()["results"]
        }

    def _follow(self, cluster: ApiServer) -> None:
        """Let the cluster go on until the run has ended; its pod tells what it was given, in two pieces."""
        said = iter(("one Zu7-kQ2_w9.Xe4/rT6+vB1!nM3\n", f"{base64.b64encode(VALUE.encode()).decode()}\n"))
        ended = "SELECT 1 FROM pipelines_pipeline WHERE id = %s AND finished_at IS NOT NULL"

        def step() -> bool:
            pods = cluster.objects("pods", "default")
            if pods and pods[0]["status"].get("phase") == "Running" and (text := next(said, "")):
                cluster.write_log(pods[0], text)
            cluster.step()
            return bool(self.stack.query(ended, self.pipeline))

        eventually(step, what="the run to end")

    def job(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.get(f"/jobs/{self.jobs[name]}/").json()
        return answer

    def log(self, name: str) -> str:
        return self.api.get(f"/jobs/{self.jobs[name]}/log/").text

    def found_in(self, text: str) -> list[str]:
        """Return which of the secrets stand in the text."""
        return [name for name, needle in self.needles.items() if needle in text]


def _forms(name: str, value: str) -> dict[str, str]:
    """Return pieces of the value and of its base64, told apart from everything else by their length."""
    encoded = {
        f"{name} in base64, {before} before": base64.b64encode(b"." * before + value.encode()).decode()[4:20]
        for before in range(3)
    }
    return {name: value, **encoded}


@pytest.fixture(scope="module")
def cluster() -> Iterator[ApiServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def run(stack: Stack, cluster: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    made = Run(stack, cluster, tmp_path_factory.mktemp("files"))
    yield made
    made.api.close()


def test_the_run_did_what_it_was_asked(run: Run) -> None:
    states = {name: run.job(name)["state"] for name in run.jobs}
    assert states == {
        **dict.fromkeys(("plain", "base64", "halves", "key", "pod"), "DONE"),
        **dict.fromkeys(("cwd", "gone"), "ERROR"),
    }
    assert run.job("gone")["reason"] == "secret_missing" and "GONE" in run.job("gone")["message"]
    assert "/nowhere/***" in run.job("cwd")["message"]


def test_logs_show_masks_in_place_of_secrets(run: Run) -> None:
    assert run.log("plain") == "plain *** end\n"
    assert run.log("halves") == "***\n***\n"
    assert run.log("key").startswith("  ***\n  ***\n  ***\n  ***\n")
    assert "one ***\n" in run.log("pod")
    assert all("***" in run.log(name) for name in ("base64", "pod"))


def test_no_table_holds_one(run: Run) -> None:
    dump = subprocess.run(
        [postgres_home() / "bin" / "pg_dump", "--data-only", f"--dbname={run.stack.database_url}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # Bytes are dumped as hexadecimal digits.
    binary = [bytes.fromhex(digits).decode(errors="replace") for digits in re.findall(r"\\\\x([0-9a-f]+)", dump)]
    assert MARKER in dump and any("plain *** end" in text for text in binary)
    assert run.found_in(dump + "".join(binary)) == []


def test_no_log_of_a_process_and_no_file_but_their_own_holds_one(run: Run) -> None:
    own = {"secret.key", "local.token", "demo.json"}
    files = [path for path in run.stack.var_dir.rglob("*") if path.is_file() and path.name not in own]
    texts = {str(path): path.read_bytes().decode(errors="replace") for path in files if "data" not in path.parts}
    logged = "".join(texts.values())
    assert "job cannot be sent" in logged and "runner started" in logged
    assert {path: found for path, text in texts.items() if (found := run.found_in(text))} == {}


def test_the_broker_holds_none_any_more(run: Run) -> None:
    held = "".join((run.stack.broker.dump(key) or b"").decode(errors="replace") for key in run.stack.broker.scan_iter())
    assert run.found_in(held) == []


def test_no_answer_and_no_page_shows_one(run: Run) -> None:
    environment = {**run.stack.environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    login = ("--username", "scanner", "--email", "scanner@example.org")
    subprocess.run(
        [sys.executable, "manage.py", "createsuperuser", "--noinput", *login],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    jobs = [f"jobs/{job}/{page}" for job in run.jobs.values() for page in ("", "attempts/", "log/")]
    pipeline = f"pipelines/{run.pipeline}/"
    paths = ["pipelines/", pipeline, f"{pipeline}events/", "jobs/", "me/", "me/secrets/", "queue/", "kinds/", *jobs]
    texts = {f"client {path}": run.api.get(f"/{path}").text for path in paths}
    texts |= {f"page {path}": run.api.get(f"/{path}", headers={"Accept": "text/html"}).text for path in paths}
    with closing(_operator(run.stack)) as operator:
        admin = ["clients/client/", "runners/runner/", "pipelines/pipeline/", "pipelines/job/", "admin/logentry/"]
        rows = [("clients/client", "clients_client"), ("runners/runner", "runners_runner")]
        for path, table in [*rows, ("pipelines/job", "pipelines_job"), ("pipelines/pipeline", "pipelines_pipeline")]:
            ids = [row[0] for row in run.stack.query(f"SELECT id FROM {table}")]
            admin += [f"{path}/{pk}/{page}/" for pk in ids for page in ("change", "history")]
        for path in (*(f"/admin/{path}" for path in admin), "/api/v1/runners/", "/metrics"):
            answer = operator.get(path)
            assert answer.status_code == 200, path
            texts[path] = answer.text
    assert sum(MARKER in text for text in texts.values()) > 5
    assert "TOKEN" in texts["client me/secrets/"]
    assert {name: found for name, text in texts.items() if (found := run.found_in(text))} == {}


def _operator(stack: Stack) -> httpx.Client:
    """Return the browser of somebody who has logged in."""
    browser = httpx.Client(base_url=stack.url, trust_env=False, follow_redirects=True, timeout=30)
    browser.get("/admin/login/")
    form = {"username": "scanner", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    answer = browser.post("/admin/login/?next=/admin/", data=form, headers={"Referer": f"{stack.url}/admin/login/"})
    assert answer.url.path == "/admin/", answer.text[:500]
    return browser
