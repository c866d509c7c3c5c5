"""Checking one job, wherever it comes from: a document, a request for one more, a change of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from pipelines.definition.document import JobSpec
from pipelines.definition.fields import JobFields
from pipelines.definition.problems import Problems
from pipelines.definition.secrets import SecretNames, check_references
from pipelines.kinds import Kind, KindError, Registry, UnknownKind, parse_version
from pipelines.masking import problems_of
from pipelines.wording import Path, Problem, describe, suggestion, translate, unknown_field

# What `model_validate` asks, without the third of its time that goes into the asking.
_validate = JobFields.__pydantic_validator__.validate_python


def check_fields(
    value: object, *, model: type[BaseModel], problems: Problems, under: Path = ()
) -> tuple[dict[str, Any], bool]:
    """Report what is wrong with the value's fields; return those that are right, and whether all are.

    If all are, what the value leaves out is filled in.
    """
    if not isinstance(value, dict):
        problems.add(Problem(under, f"must be an object, not {describe(value)}"))
        return {}, False
    try:
        return model.model_validate(value).__dict__, True
    except ValidationError:
        return _report_fields(value, model=model, problems=problems, under=under), False


def _report_fields(
    value: Mapping[str, Any], *, model: type[BaseModel], problems: Problems, under: Path
) -> dict[str, Any]:
    """Report what is wrong with the fields; return those that are right, one that is only misspelt by its name."""
    unknown = value.keys() - model.model_fields.keys()
    given = {name: item for name, item in value.items() if name not in unknown}
    misspelt = _report_unknown(value, unknown=unknown, model=model, problems=problems, under=under)
    try:
        return model.model_validate(given).__dict__ | misspelt
    except ValidationError as error:
        found = translate(error, value=given, model=model)
    # A misspelt field is not missing as well.
    problems.extend((each for each in found if each.path[:1] not in [(name,) for name in misspelt]), under=under)
    wrong = {each.path[:1] for each in found}
    return {name: item for name, item in given.items() if (name,) not in wrong} | misspelt


def _report_unknown(
    value: Mapping[str, Any], *, unknown: set[str], model: type[BaseModel], problems: Problems, under: Path
) -> dict[str, Any]:
    """Report the fields that do not exist; return the strings that stand under a misspelt name, by the right one."""
    misspelt = {}
    missing = model.model_fields.keys() - value.keys()
    for name, item in value.items():
        path = (*under, name)
        if name in unknown and not problems.skips(path):
            problems.add(Problem(path, unknown_field(name, known=model.model_fields)))
            meant = suggestion(name, known=model.model_fields)
            if meant in missing:
                misspelt[meant] = item
    return misspelt


def check_job(
    value: object, *, problems: Problems, registry: Registry, secrets: SecretNames | None, under: Path = ()
) -> JobSpec | dict[str, Any]:
    """Return the job, or report what is wrong with it and return its fields that are right.

    `secrets` is None where it is known that nothing refers to any.
    """
    job = _right(value, registry=registry)
    if job is not None and secrets is None:
        return job
    before = problems.total
    fields = job._asdict() if job else _report_job(value, problems=problems, registry=registry, under=under)
    if secrets is not None:
        check_references(fields.get("params"), names=secrets, problems=problems, under=(*under, "params"))
    return job if job and problems.total == before else fields


def _right(value: object, *, registry: Registry) -> JobSpec | None:
    """Return the job if nothing is wrong with it in itself, as with nearly all of a large document."""
    try:
        fields = _validate(value).__dict__
        if fields["kind"] not in registry:
            return None
        kind = registry.resolve(fields["kind"], fields["version"])
    except (ValidationError, KindError):
        return None
    if kind.problems(fields["params"]) or kind.name_problem(fields["name"], params=fields["params"]):
        return None
    return JobSpec(**fields | {"version": kind.version})


def _report_job(value: object, *, problems: Problems, registry: Registry, under: Path) -> dict[str, Any]:
    fields, _ = check_fields(value, model=JobFields, problems=problems, under=under)
    kind = _kind(fields, problems=problems, registry=registry, under=under)
    params, name = fields.get("params"), fields.get("name")
    if kind is not None and isinstance(params, dict):
        problems.extend(problems_of(params, kind=kind), under=(*under, "params"))
        if isinstance(name, str) and (wrong := kind.name_problem(name, params=params)):
            problems.add(Problem((*under, "name"), wrong))
    return fields


def _kind(fields: Mapping[str, Any], *, problems: Problems, registry: Registry, under: Path) -> Kind | None:
    """Return the kind that runs the job, as far as its fields tell."""
    name, version = fields.get("kind"), fields.get("version")
    try:
        if isinstance(name, str) and isinstance(version, str):
            return registry.resolve(name, version)
        if isinstance(name, str):
            registry.require(name)
    except UnknownKind as error:
        problems.add(Problem((*under, "kind"), str(error)))
    except KindError as error:
        problems.add(Problem((*under, "version"), str(error)))
        return None
    try:
        if isinstance(version, str):
            parse_version(version)
    except KindError as error:
        problems.add(Problem((*under, "version"), str(error)))
    return None
