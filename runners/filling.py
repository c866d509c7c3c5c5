"""Fill secrets into the params of jobs that are about to be sent: the one place where jobs and values meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clients import vault
from pipelines import kinds, masking, references
from pipelines.kinds import Work
from pipelines.models import Job
from pipelines.wording import pointer
from runners.masking import MIN_CHARACTERS

SECRET_MISSING = "secret_missing"  # noqa: S105  # reasons, not secrets
SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105
SECRET_UNUSABLE = "secret_unusable"  # noqa: S105

# A short reference may stand for a long value, and stand there often.
_INSERTED_BYTES = 1 << 20

Values = Mapping[tuple[int, str], str | None]


class Unfillable(Exception):
    """A job's params cannot be sent; the reason is typed, the message names the secret and never its value."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Filled:
    """What a runner is sent of a job, and the values that it is to keep out of logs and messages."""

    work: Work
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those referred to, by name."""
    mask: tuple[str, ...] = field(default=(), repr=False)


def values_for(jobs: Iterable[Job]) -> Values:
    """Return the values that the jobs' params refer to, each by client and name; one query, or none at all."""
    return vault.reveal({(job.client_id, name) for job in jobs for name in references.names_in(job.params)})


def fill(job: Job, *, values: Values) -> Filled:
    """Return the job's work with the values in place of what refers to them; raise Unfillable."""
    kind = kinds.registry.get(job.kind, job.version)
    names = references.names_in(job.params)
    params = job.params
    secrets: dict[str, str] = {}
    if names:
        secrets = _chosen(names, client=job.client_id, values=values)
        params = _filled(job, secrets=secrets)
    work = kinds.work_of(job.kind, job.version, params)
    hidden = {*secrets.values(), *masking.secret_texts(params, kind=kind)}
    return Filled(
        work=work, secrets=secrets, mask=tuple(sorted(text for text in hidden if len(text) >= MIN_CHARACTERS))
    )


def _chosen(names: Iterable[str], *, client: int, values: Values) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for name in sorted(names):
        if (client, name) not in values:
            raise Unfillable(
                SECRET_MISSING,
                f"There is no secret {name} any more, which the params refer to. Add it again, or correct the params.",
            )
        value = values[client, name]
        if value is None:
            raise Unfillable(
                SECRET_UNREADABLE,
                f"The secret {name} cannot be read: the key it was encrypted under is gone. Put its value again, or "
                "have the operator bring back the key.",
            )
        chosen[name] = value
    return chosen


def _filled(job: Job, *, secrets: Mapping[str, str]) -> Any:
    if references.inserted_bytes(job.params, values=secrets) > _INSERTED_BYTES:
        raise Unfillable(
            SECRET_UNUSABLE,
            f"With the secrets filled in the params are too large: over {_INSERTED_BYTES} bytes of them.",
        )
    params = references.filled(job.params, values=secrets)
    kind = kinds.registry.get(job.kind, job.version)
    if kind and (problems := kind.problems(params)):
        # Where, not what: the details quote the value.
        places = ", ".join(dict.fromkeys(f"params{pointer(problem.path)}" for problem in problems[:10]))
        raise Unfillable(
            SECRET_UNUSABLE, f"With the secrets filled in the params are not valid: see {places}. Correct the secret."
        )
    return params


__all__ = ["Filled", "Unfillable", "Values", "fill", "values_for"]
