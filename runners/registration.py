"""Making runners, and the rights they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction

from pipelines import kinds
from runners import tokens
from runners.exceptions import InvalidRunner, RunnerBusy
from runners.executors import is_executable
from runners.models import Attempt, Runner, RunnerType


@dataclass(frozen=True)
class Registered:
    """A runner just made and its token, in clear only here."""

    runner: Runner
    token: str = field(repr=False)


def create_runner(
    name: str, *, runner_type: str = RunnerType.SERVER, capacity: int = 16, runner_kinds: Sequence[str] = ()
) -> Registered:
    """Make a runner and its token; raise InvalidRunner with every mistake."""
    runner = Runner(name=name, type=runner_type, capacity=capacity, kinds=list(runner_kinds))
    if not is_executable(runner_type):
        raise InvalidRunner(f"Runners of type {runner_type!r} are not supported by this version; use 'server'.")
    check_kinds(runner_type, runner_kinds)
    try:
        runner.full_clean()
    except ValidationError as error:
        raise InvalidRunner(
            " ".join(f"{name}: {' '.join(messages)}" for name, messages in error.message_dict.items())
        ) from error
    token = tokens.new_runner_token()
    runner.token_digest = tokens.digest(token)
    runner.save()
    return Registered(runner=runner, token=token)


def check_kinds(runner_type: str, runner_kinds: Sequence[str]) -> None:
    """Raise InvalidRunner if runners of the type cannot execute one of the kinds."""
    known = {kind.name for kind in kinds.kinds() if kind.runner_type == runner_type}
    if unknown := [kind for kind in runner_kinds if kind not in known]:
        can = ", ".join(sorted(known)) or "none"
        raise InvalidRunner(f"A {runner_type} runner cannot execute {', '.join(unknown)}; it can execute: {can}.")


def rotate_token(runner: Runner) -> str:
    """Replace the runner's token and return the new one; the old one ends at once."""
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
