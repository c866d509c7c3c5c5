"""Checking a whole document, once it has been read into plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.definition.document import Document, JobSpec
from pipelines.definition.fields import DocumentFields
from pipelines.definition.jobs import check_fields, check_job
from pipelines.definition.limits import Limits
from pipelines.definition.problems import Problems
from pipelines.definition.secrets import SecretNames
from pipelines.kinds import Registry
from pipelines.wording import Problem, quoted, suggestion

_NAMES_SHOWN = 10


def check_document(
    value: object, *, problems: Problems, limits: Limits, registry: Registry, secrets: SecretNames | None
) -> Document | None:
    """Report all that is wrong with a document; return it if nothing is. `secrets` as check_job takes it."""
    value, within = _shortened(value, problems=problems, limits=limits)
    fields, complete = check_fields(value, model=DocumentFields, problems=problems)
    if not within:
        return None
    stages, jobs = _listed(value, "stages"), _listed(value, "jobs")
    _check_stages(stages, problems=problems)
    specs = _Jobs(stages, problems=problems, registry=registry, secrets=secrets).check(jobs)
    if not complete or problems.total:
        return None
    return Document(
        stages=tuple(stages),
        jobs=tuple(specs),
        labels=fields["labels"],
        name=fields["name"] or "",
        priority=fields["priority"],
        callback_url=fields["callback_url"] or "",
    )


def _shortened(value: object, *, problems: Problems, limits: Limits) -> tuple[object, bool]:
    """Report lists longer than a pipeline may be and cut them short, so that only the rest is looked into."""
    within = True
    for name in ("stages", "jobs"):
        if (length := len(_listed(value, name))) > limits.max_jobs and isinstance(value, Mapping):
            detail = f"must hold at most {limits.max_jobs} {name}, not {length}: split the pipeline"
            problems.add(Problem((name,), detail))
            value, within = {**value, name: value[name][:1]}, False
    return value, within


def _listed(value: object, name: str) -> Sequence[Any]:
    listed = value.get(name) if isinstance(value, Mapping) else None
    return listed if isinstance(listed, list) else []


def _check_stages(stages: Sequence[Any], *, problems: Problems) -> None:
    seen: dict[str, int] = {}
    for index, name in enumerate(stages):
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            problems.add(Problem(("stages", index), f"{quoted(name)} is stage {seen[name]} already: names are unique"))


class _Jobs:
    """The jobs of a document, each for itself and all against each other and the stages."""

    def __init__(
        self, stages: Sequence[Any], *, problems: Problems, registry: Registry, secrets: SecretNames | None
    ) -> None:
        self._stages = stages
        # With the text of what is no string: that it wants quotes is reported where it stands, once.
        self._known = {str(name) for name in stages if not isinstance(name, list | dict)}
        self._filled: set[str] = set()
        self._names: dict[str, int] = {}
        self._problems = problems
        self._registry = registry
        self._secrets = secrets

    def check(self, jobs: Sequence[Any]) -> list[JobSpec]:
        specs = []
        for index, job in enumerate(jobs):
            found = check_job(
                job, problems=self._problems, registry=self._registry, secrets=self._secrets, under=("jobs", index)
            )
            name: object
            stage: object
            if isinstance(found, JobSpec):
                specs.append(found)
                name, stage = found.name, found.stage
            else:
                name, stage = found.get("name"), found.get("stage")
            self._check_name(name, index=index)
            self._check_stage(stage, index=index)
        if jobs:
            self._check_all_filled()
        return specs

    def _check_name(self, name: object, *, index: int) -> None:
        if isinstance(name, str) and (first := self._names.setdefault(name, index)) != index:
            path = ("jobs", index, "name")
            self._problems.add(Problem(path, f"{quoted(name)} is the name of job {first} already: names are unique"))

    def _check_stage(self, name: object, *, index: int) -> None:
        if not isinstance(name, str):
            return
        self._filled.add(name)
        if name in self._known or not self._stages:
            return
        path = ("jobs", index, "stage")
        if self._problems.skips(path):
            return
        meant = suggestion(name, known=self._known)
        if meant:
            self._filled.add(meant)  # that it has no job follows from the same mistake
            detail = f"there is no stage {quoted(name)}: did you mean {quoted(meant)}?"
        else:
            detail = f"there is no stage {quoted(name)}; {self._stages_there_are()}"
        self._problems.add(Problem(path, detail))

    def _stages_there_are(self) -> str:
        names = ", ".join(quoted(str(name)) for name in self._stages[:_NAMES_SHOWN])
        return f"'stages' lists {names}{' and others' if len(self._stages) > _NAMES_SHOWN else ''}"

    def _check_all_filled(self) -> None:
        reported = {problem.path for problem in self._problems.kept}
        for index, name in enumerate(self._stages):
            path = ("stages", index)
            if isinstance(name, str) and name not in self._filled and path not in reported:
                self._problems.add(Problem(path, f"the stage {quoted(name)} has no job: give it one or remove it"))
