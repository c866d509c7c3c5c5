"""Making runners, and the rights they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model

from clients.models import Client
from pipelines import kinds
from pipelines.nudges import nudge
from runners import tokens
from runners.exceptions import InvalidRunner, RunnerBusy
from runners.executors import is_executable
from runners.executors.kubernetes import FOLLOW
from runners.kubernetes.connection import Connection
from runners.models import Attempt, Cluster, Runner, RunnerType


@dataclass(frozen=True)
class Registered:
    """A runner just made and, for a server, its token, in clear only here."""

    runner: Runner
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster of a Kubernetes runner: how it is reached, and what its jobs may name there."""

    connection: Connection
    namespace: str
    namespaces: Sequence[str] = ()
    service_accounts: Sequence[str] = ()


@transaction.atomic
def create_runner(
    name: str,
    *,
    runner_type: str = RunnerType.SERVER,
    capacity: int = 16,
    runner_kinds: Sequence[str] = (),
    cluster: ClusterOptions | None = None,
) -> Registered:
    """Make a runner: a server gets a token, kubernetes its cluster; raise InvalidRunner with every mistake."""
    if not is_executable(runner_type):
        raise InvalidRunner(f"Runners of type {runner_type!r} are not supported by this version.")
    if (runner_type == RunnerType.KUBERNETES) != (cluster is not None):
        raise InvalidRunner("A kubernetes runner, and no other, has a cluster: its server, namespace and credentials.")
    check_kinds(runner_type, runner_kinds)
    runner = Runner(name=name, type=runner_type, capacity=capacity, kinds=list(runner_kinds))
    _check(runner)
    token = ""
    if runner_type == RunnerType.SERVER:
        token = tokens.new_runner_token()
        runner.token_digest = tokens.digest(token)
    runner.save()
    if cluster is not None:
        give_cluster(runner, options=cluster)
    return Registered(runner=runner, token=token)


@transaction.atomic
def change_runner(
    runner: Runner,
    *,
    capacity: int | None = None,
    runner_kinds: Sequence[str] | None = None,
    clients: Sequence[Client] | None = None,
) -> None:
    """Change how much the runner takes, of which kinds and for whom; what is None stays.

    Raises InvalidRunner for a kind that runners of its type cannot execute. Writes nothing but what changes, under
    the row's lock: the caller's copy may be older than a pause, a sign of life, a rotation of the token.
    """
    runner = Runner.objects.select_for_update(no_key=True).get(pk=runner.pk)
    values = {"capacity": capacity, "kinds": runner_kinds}
    changed = {name: value for name, value in values.items() if value is not None}
    if runner_kinds is not None:
        check_kinds(runner.type, runner_kinds)
        changed["kinds"] = list(runner_kinds)
    for name, value in changed.items():
        setattr(runner, name, value)
    runner.save(update_fields=list(changed))
    if clients is not None:
        runner.clients.set(clients)
    nudge()


@transaction.atomic
def change_cluster(
    runner: Runner,
    *,
    connection: Connection | None = None,
    namespace: str | None = None,
    namespaces: Sequence[str] | None = None,
    service_accounts: Sequence[str] | None = None,
) -> None:
    """Change how the runner's cluster is reached or what its jobs may name there; what is None stays.

    Raises InvalidRunner with every mistake, and RunnerBusy if live attempts would no longer be found where they are:
    a listing that lacks their objects means that they are lost. A cluster that does not answer may be left.
    """
    # FOR UPDATE: a claim that just chose it waits for its row, and then goes by what stands there.
    Runner.objects.select_for_update().get(pk=runner.pk)
    cluster = Cluster.objects.get(pk=runner.pk)
    before = cluster.server, cluster.namespace, set(cluster.allowed_namespaces)
    if connection is not None:
        cluster.server = connection.server
    settings = {"namespace": namespace, "namespaces": namespaces, "service_accounts": service_accounts}
    changed = {name: value for name, value in settings.items() if value is not None}
    for name, value in changed.items():
        setattr(cluster, name, value if isinstance(value, str) else list(value))
    _check(cluster)
    stays = (cluster.server, cluster.namespace) == before[:2] and before[2] <= set(cluster.allowed_namespaces)
    if not stays and not cluster.error and (live := Attempt.objects.live().filter(runner=runner).count()):
        raise RunnerBusy(
            f"Runner {runner.name} has {live} live attempts: while its cluster answers, its server and its namespaces "
            "are not taken from them. Pause it and wait for their end, or cancel them."
        )
    cluster.save(update_fields=list(changed))
    if connection is not None:
        set_connection(cluster, connection)
    else:
        nudge(FOLLOW, runner.name)


def set_connection(cluster: Cluster, connection: Connection) -> None:
    """Keep another connection of the runner's cluster, sealed; its next round uses it."""
    cluster.server, cluster.connection = connection.server, connection.to_json()
    # The pause was asked for by whoever answered until now.
    cluster.not_before = None
    cluster.save(update_fields=["server", "sealed_connection", "not_before"])
    nudge(FOLLOW, cluster.runner.name)


def give_cluster(runner: Runner, *, options: ClusterOptions) -> None:
    """Give a Kubernetes runner its cluster; raise InvalidRunner with every mistake."""
    cluster = Cluster(
        runner=runner,
        server=options.connection.server,
        namespace=options.namespace,
        namespaces=list(options.namespaces),
        service_accounts=list(options.service_accounts),
    )
    cluster.connection = options.connection.to_json()
    _check(cluster)
    cluster.save()
    nudge(FOLLOW, runner.name)


def _check(instance: Model) -> None:
    try:
        instance.full_clean()
    except ValidationError as error:
        raise InvalidRunner(
            " ".join(f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items())
        ) from error


def check_kinds(runner_type: str, runner_kinds: Sequence[str]) -> None:
    """Raise InvalidRunner if runners of the type cannot execute one of the kinds."""
    known = {kind.name for kind in kinds.kinds() if kind.runner_type == runner_type}
    if unknown := [kind for kind in runner_kinds if kind not in known]:
        can = ", ".join(sorted(known)) or "none"
        raise InvalidRunner(f"A {runner_type} runner cannot execute {', '.join(unknown)}; it can execute: {can}.")


def rotate_token(runner: Runner) -> str:
    """Replace the token of a server runner and return the new one; the old one ends at once."""
    if runner.type != RunnerType.SERVER:
        raise InvalidRunner(f"Runner {runner.name} is of type {runner.type}; only a server runner has a token.")
    token = tokens.new_runner_token()
    runner.token_digest = tokens.digest(token)
    runner.save(update_fields=["token_digest"])
    return token


@transaction.atomic
def delete_runner(runner: Runner) -> None:
    """Delete a runner that has no live attempt; raise RunnerBusy otherwise. Its history keeps its name."""
    # FOR UPDATE: a claim that just chose it waits for its row, and then finds it gone.
    Runner.objects.select_for_update().get(pk=runner.pk)
    if live := Attempt.objects.live().filter(runner=runner).count():
        raise RunnerBusy(f"Runner {runner.name} has {live} live attempts; pause it and wait, or cancel them.")
    runner.delete()
