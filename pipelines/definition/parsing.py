"""From what a client sends to what the domain uses, or all the mistakes in it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pipelines import references
from pipelines.definition.checking import check_document
from pipelines.definition.document import Document, JobSpec
from pipelines.definition.errors import UnsupportedMediaType, unreadable
from pipelines.definition.fields import JobChanges, PipelineChanges
from pipelines.definition.jobs import check_fields, check_job
from pipelines.definition.json_text import load_json
from pipelines.definition.limits import MAX_DEPTH, Limits
from pipelines.definition.problems import Problems
from pipelines.definition.report import Locate, report
from pipelines.definition.secrets import SecretNames, check_references
from pipelines.definition.values import unusable
from pipelines.definition.yaml_places import locate
from pipelines.definition.yaml_text import load_yaml
from pipelines.kinds import KindError, Registry
from pipelines.kinds import registry as site_registry
from pipelines.masking import problems_of
from pipelines.wording import Problem

JSON_MEDIA_TYPES = frozenset({"application/json"})
YAML_MEDIA_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
_BOM = b"\xef\xbb\xbf"


def parse(
    body: bytes,
    *,
    media_type: str,
    limits: Limits,
    registry: Registry = site_registry,
    secrets: SecretNames = frozenset,
) -> Document:
    """Return the pipeline that a body describes; raise DocumentErrors with all its mistakes.

    `secrets` is asked, at most once, for the names of the secrets that params may refer to; none by default.
    """
    value, problems, places = _load(body, media_type=media_type, limits=limits)
    document = check_document(
        value,
        problems=problems,
        limits=limits,
        registry=registry,
        secrets=functools.cache(secrets) if _may_refer(body) else None,
    )
    if document is None:
        raise report(problems, value=value, locate=places)
    return document


def load(body: bytes, *, media_type: str, limits: Limits) -> Any:
    """Return the plain value of a body of any shape; raise DocumentErrors for what no field could take."""
    value, problems, places = _load(body, media_type=media_type, limits=limits)
    if problems.total:
        raise report(problems, value=value, locate=places)
    return value


def parse_job(value: object, *, registry: Registry = site_registry, secrets: SecretNames = frozenset) -> JobSpec:
    """Return the job that a plain value describes; raise DocumentErrors with all its mistakes."""
    problems = _unusable(value)
    job = check_job(value, problems=problems, registry=registry, secrets=functools.cache(secrets))
    if not isinstance(job, JobSpec) or problems.total:
        raise report(problems, value=value)
    return job


def parse_job_changes(
    value: object,
    *,
    kind: str,
    version: str,
    name: str | None = None,
    registry: Registry = site_registry,
    secrets: SecretNames = frozenset,
) -> dict[str, Any]:
    """Return the changes, checked, that a plain value asks for of a job of that kind, pinned version and name.

    Raise DocumentErrors with all that is wrong with them.
    """
    problems = _unusable(value)
    fields, _ = check_fields(value, model=JobChanges, problems=problems)
    if isinstance(value, Mapping) and "params" in value and "params" in fields:
        check_references(fields["params"], names=functools.cache(secrets), problems=problems, under=("params",))
        try:
            pinned = registry.get(kind, version) or registry.resolve(kind, version)
            problems.extend(problems_of(fields["params"], kind=pinned), under=("params",))
            if name is not None and (wrong := pinned.name_problem(name, params=fields["params"])):
                problems.add(Problem(("params",), f"the job's name {wrong}"))
        except KindError as error:
            problems.add(Problem(("params",), str(error)))
    return _given(value, fields=fields, problems=problems)


def parse_pipeline_changes(value: object) -> dict[str, Any]:
    """Return the changes, checked, that a plain value asks for of a pipeline; raise DocumentErrors otherwise."""
    problems = _unusable(value)
    fields, _ = check_fields(value, model=PipelineChanges, problems=problems)
    changes = _given(value, fields=fields, problems=problems)
    return {name: "" if name == "name" and item is None else item for name, item in changes.items()}


def _may_refer(body: bytes) -> bool:
    """Tell whether a text in it may refer to a secret: its first characters stand there as they are, or escaped."""
    return references.OPENING.encode() in body or b"\\" in body


def _given(value: object, *, fields: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    if problems.total or not isinstance(value, Mapping):
        raise report(problems, value=value)
    return {name: fields[name] for name in value}


def _unusable(value: object) -> Problems:
    problems = Problems()
    problems.extend(unusable(value, max_depth=MAX_DEPTH), under=())
    return problems


def _load(body: bytes, *, media_type: str, limits: Limits) -> tuple[Any, Problems, Locate | None]:
    """Return the value of a body, what in it cannot be used, and what knows the places in it."""
    body = body.removeprefix(_BOM)
    text = _decoded(body)
    if not text.strip():
        raise unreadable("this is empty: send a document with 'stages' and 'jobs'")
    kind = media_type.partition(";")[0].strip().lower()
    if kind in JSON_MEDIA_TYPES:
        return *load_json(body, text=text, limits=limits), None
    if kind in YAML_MEDIA_TYPES:
        return *load_yaml(body, limits=limits), functools.partial(locate, body)
    raise UnsupportedMediaType(f"A document is sent as application/json or application/yaml, not {media_type}.")


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise unreadable("this is not UTF-8 text", at=at) from error
