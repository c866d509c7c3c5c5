from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from runners.broker import new_broker_user
from runners.exceptions import RunnerError
from runners.kubernetes import credentials
from runners.kubernetes.connection import Connection
from runners.models import RunnerType
from runners.registration import ClusterOptions, Registered, create_runner

_WAYS = {"token_file": ("server", "ca_file"), "kubeconfig": ("context",), "in_cluster": ()}
"""How a cluster is reached, and what else belongs to each way."""
_OF_CLUSTERS = (*_WAYS, "server", "ca_file", "context", "namespace", "namespaces", "service_accounts")


class Command(BaseCommand):
    help = "Make a runner. A server's token is shown once, here; a cluster's credentials are kept encrypted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="letters, digits, dots, dashes and underscores")
        parser.add_argument("--type", required=True, choices=RunnerType.values, help="what kind of place it is")
        parser.add_argument("--capacity", type=int, default=16, help="jobs it takes at once (default 16)")
        parser.add_argument("--kinds", nargs="+", default=[], help="kinds it takes (default: all its type executes)")
        parser.add_argument("--json", action="store_true", help="print one line of JSON last")
        cluster = parser.add_argument_group("kubernetes")
        cluster.add_argument("--server", metavar="URL", help="the API server, with --token-file")
        cluster.add_argument("--namespace", metavar="NS", help="where jobs go that name none")
        cluster.add_argument("--namespaces", nargs="+", default=[], metavar="NS", help="more that jobs may name")
        cluster.add_argument("--service-accounts", nargs="+", default=[], metavar="SA", help="that jobs may name")
        way = cluster.add_mutually_exclusive_group()
        way.add_argument("--token-file", type=Path, metavar="F", help="a file with the token of a service account")
        way.add_argument("--kubeconfig", type=Path, metavar="F", help="a kubeconfig with a token or a certificate")
        way.add_argument("--in-cluster", action="store_true", help="the service account of the pod this runs in")
        cluster.add_argument("--context", metavar="C", help="of the kubeconfig (default: its current one)")
        cluster.add_argument("--ca-file", type=Path, metavar="F", help="the API server's authority, with --token-file")

    def handle(self, *args: Any, **options: Any) -> None:
        is_cluster = options["type"] == RunnerType.KUBERNETES
        if not is_cluster and (given := [name for name in _OF_CLUSTERS if options[name]]):
            raise CommandError(f"{_option(given[0])} is for runners of the type kubernetes.")
        try:
            made = create_runner(
                options["name"],
                runner_type=options["type"],
                capacity=options["capacity"],
                runner_kinds=options["kinds"],
                cluster=_cluster(options) if is_cluster else None,
            )
        except RunnerError as error:
            raise CommandError(str(error)) from error
        self._show(made, as_json=options["json"])

    def _show(self, made: Registered, *, as_json: bool) -> None:
        runner = made.runner
        user = new_broker_user(runner) if made.token else None
        if as_json:
            shown = {"name": runner.name, "type": runner.type, "capacity": runner.capacity}
            self.stdout.write(json.dumps(shown | ({"token": made.token, **user.shown()} if user else {})))
            return
        self.stdout.write(f"Runner {runner.name} ({runner.type}, capacity {runner.capacity}).")
        if user:
            self.stdout.write(f"Token, shown only now: {made.token}")
            for line in user.explained():
                self.stdout.write(line)
            self.stdout.write(
                f"Start it on its server: RUNNER_TOKEN=… API_URL=… BROKER_URL=… manage.py run_runner {runner.name}"
            )
        if runner.type == RunnerType.KUBERNETES:
            self.stdout.write(f"Jobs go to the namespace {runner.cluster.namespace} at {runner.cluster.server}.")
            self.stdout.write("It is online once a control worker has listed its objects there.")


def _cluster(options: dict[str, Any]) -> ClusterOptions:
    connection = _connection(options)
    if not options["namespace"]:
        raise CommandError("Say where jobs go that name no namespace: --namespace NS.")
    return ClusterOptions(
        connection=connection,
        namespace=options["namespace"],
        namespaces=options["namespaces"],
        service_accounts=options["service_accounts"],
    )


def _connection(options: dict[str, Any]) -> Connection:
    way = next((name for name in _WAYS if options[name]), None)
    if way is None or (way == "token_file" and not options["server"]):
        raise CommandError(
            "Say how the cluster is reached: --server URL with --token-file F, --kubeconfig F, or --in-cluster."
        )
    for name in ("server", "ca_file", "context"):
        if options[name] and name not in _WAYS[way]:
            raise CommandError(f"{_option(name)} does not go with {_option(way)}.")
    if way == "kubeconfig":
        return credentials.from_kubeconfig(options["kubeconfig"], context=options["context"])
    if way == "in_cluster":
        return credentials.in_cluster()
    return credentials.from_token_file(options["server"], path=options["token_file"], ca_path=options["ca_file"])


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
