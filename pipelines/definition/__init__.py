"""The pipeline document: from bytes to a typed value, or all the mistakes in it; no database, no HTTP."""

from __future__ import annotations

from pipelines.definition.document import Document, JobSpec, columns_of
from pipelines.definition.errors import DocumentError, DocumentErrors, UnsupportedMediaType
from pipelines.definition.limits import Limits
from pipelines.definition.parsing import (
    JSON_MEDIA_TYPES,
    YAML_MEDIA_TYPES,
    load,
    parse,
    parse_job,
    parse_job_changes,
    parse_pipeline_changes,
)

__all__ = [
    "JSON_MEDIA_TYPES",
    "YAML_MEDIA_TYPES",
    "Document",
    "DocumentError",
    "DocumentErrors",
    "JobSpec",
    "Limits",
    "UnsupportedMediaType",
    "columns_of",
    "load",
    "parse",
    "parse_job",
    "parse_job_changes",
    "parse_pipeline_changes",
]
