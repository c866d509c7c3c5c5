"""What jobs can be: the abstract Kind and the registry of those this service has.

An app brings its kinds in a module or package named `kinds`, imported when Django starts.
"""

from __future__ import annotations

import functools
import json
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticKnownError
from semver import Version

from pipelines.exceptions import PipelineError
from pipelines.wording import Problem, quoted, suggestion, translate

RunnerType = Literal["server", "kubernetes", "http"]
RUNNER_TYPES: frozenset[RunnerType] = frozenset({"server", "kubernetes", "http"})

VERSION_LENGTH = 64


class KindError(PipelineError):
    """A kind cannot be used as asked."""


class KindAlreadyRegistered(KindError):
    """A kind of that name and version is registered already."""


class InvalidVersion(KindError):
    """A version is not a semantic version, for example 1.0.0."""


class UnknownKind(KindError):
    """No kind has that name."""


class UnknownVersion(KindError):
    """The kind exists, but in no version that can run the job."""


class SchemaGenerator(GenerateJsonSchema):
    """JSON Schema without the titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Params(BaseModel):
    """Base of parameter models: unknown fields are refused, wrong types never coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def bounded(value: Any, *, most: int) -> Any:
    """Refuse a list or object of too many entries before they are looked into, one by one; a before-validator."""
    if isinstance(value, list | dict) and len(value) > most:
        raise PydanticKnownError("too_long", {"field_type": "", "max_length": most, "actual_length": len(value)})
    return value


@dataclass(frozen=True, slots=True)
class Work:
    """What a runner is sent of a job."""

    kind: str
    version: str
    params: Mapping[str, Any] = field(repr=False)


class Kind(ABC):
    """A kind of job in one version: what its parameters are and which type of runner executes it.

    It says nothing of how the work is done (executors do) and touches no models. A subclass sets the attributes; one
    whose parameters are not described by a pydantic model overrides `schema` and `problems` instead.
    """

    name: ClassVar[str]
    """As a job's `kind` names it: `Shell`, `K8S/Job`."""
    version: ClassVar[str]
    """MAJOR.MINOR.PATCH of the parameter schema; within a major, later ones take all that earlier ones took."""
    runner_type: ClassVar[RunnerType]
    summary: ClassVar[str]
    params_model: ClassVar[type[Params]]
    example: ClassVar[Mapping[str, Any]]
    """Params that are valid, for people to start from."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of the params; what it marks `x-secret: true` is never shown."""
        return self.params_model.model_json_schema(schema_generator=SchemaGenerator)

    @functools.cached_property
    def has_secret_params(self) -> bool:
        """Whether the schema marks any of the params as secret."""
        return '"x-secret": true' in json.dumps(self.schema())

    def problems(self, params: Mapping[str, Any]) -> list[Problem]:
        """Return all that is wrong with the params, paths relative to them; nothing when they are valid."""
        try:
            self.params_model.__pydantic_validator__.validate_python(params)
        except ValidationError as error:
            return translate(error, value=params, model=self.params_model)
        return []

    def name_problem(self, name: str, *, params: Mapping[str, Any]) -> str | None:
        """Return what is wrong with the job's own name, for a kind that uses it; nothing when it is right."""
        return None

    def work(self, params: Mapping[str, Any]) -> Work:
        """Return what a runner is sent: the job as it is.

        A kind that is made of another one (a linter run by Shell) returns that one's, and no runner need know it.
        """
        return Work(kind=self.name, version=self.version, params=params)


AnyKind = TypeVar("AnyKind", bound=Kind)


class Registry:
    """The kinds that exist, by name and version."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[Version, Kind]] = {}
        # Nearly all jobs of a document ask for the same few kinds and versions.
        self._resolved = functools.lru_cache(maxsize=1024)(self._resolve)
        self._found = functools.lru_cache(maxsize=1024)(self._find)

    def register(self, kind: type[AnyKind]) -> type[AnyKind]:
        """Add a kind (usable as a decorator); raise KindAlreadyRegistered for a second of that name and version."""
        version = parse_version(kind.version)
        if version.prerelease or version.build:
            raise InvalidVersion(f"The version of {kind.name} must be MAJOR.MINOR.PATCH, not {kind.version}.")
        versions = self._kinds.setdefault(kind.name, {})
        if version in versions:
            raise KindAlreadyRegistered(f"{kind.name} {version} is registered already; register each version once.")
        versions[version] = kind()
        self._resolved.cache_clear()
        self._found.cache_clear()
        return kind

    def __contains__(self, name: str) -> bool:
        return name in self._kinds

    def kinds(self) -> list[Kind]:
        """Return all kinds, by name, then version."""
        return [self._kinds[name][version] for name in sorted(self._kinds) for version in sorted(self._kinds[name])]

    def versions(self, name: str) -> list[str]:
        """Return the versions of a kind, ascending; none if there is no such kind."""
        return [str(version) for version in sorted(self._kinds.get(name, {}))]

    def get(self, name: str, version: str) -> Kind | None:
        """Return the kind of exactly that version, as pinned with a job, if this service still has it."""
        return self._found(name, version)

    def resolve(self, name: str, version: str) -> Kind:
        """Return the kind that runs a job written for `version`: the newest of the same major, if not older than it.

        Raise UnknownKind, InvalidVersion or UnknownVersion with what there is instead.
        """
        return self._resolved(name, version)

    def require(self, name: str) -> None:
        """Raise UnknownKind, with what was probably meant, if no version of the kind exists."""
        if name in self:
            return
        meant = suggestion(name, known=self._kinds)
        if meant:
            raise UnknownKind(f"there is no kind {quoted(name)}: did you mean {quoted(meant)}?")
        raise UnknownKind(
            f"there is no kind {quoted(name)}; there is {', '.join(sorted(self._kinds)) or 'none at all'}"
        )

    def _find(self, name: str, version: str) -> Kind | None:
        return self._kinds.get(name, {}).get(parse_version(version))

    def _resolve(self, name: str, version: str) -> Kind:
        self.require(name)
        versions, wanted = self._kinds[name], parse_version(version)
        newest = max((known for known in versions if known.major == wanted.major), default=None)
        if newest is None or newest < wanted:
            raise UnknownVersion(
                f"{name} does not exist in version {version} or a later {wanted.major}.x; "
                f"there is {', '.join(self.versions(name))}"
            )
        return versions[newest]


def parse_version(version: str) -> Version:
    """Return the semantic version; raise InvalidVersion if it is none."""
    try:
        if len(version) <= VERSION_LENGTH:
            return Version.parse(version)
    except ValueError:
        pass
    raise InvalidVersion(f"{quoted(version)} is not a semantic version like '1.0.0' (MAJOR.MINOR.PATCH)")


registry = Registry()
"""The kinds of this service."""

register = registry.register
kinds = registry.kinds
versions = registry.versions
resolve = registry.resolve


def work_of(kind: str, version: str, params: Mapping[str, Any]) -> Work:
    """Return what the kind makes of a job; the job as it is where this service does not have the kind any more."""
    known = registry.get(kind, version)
    return known.work(params) if known else Work(kind=kind, version=version, params=params)
