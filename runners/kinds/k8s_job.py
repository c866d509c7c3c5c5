"""K8S/Job: pods that run to their end in a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from pipelines.kinds import Kind, bounded, register
from runners.kinds.k8s import PODS_MAX, ContainerParams
from runners.kinds.k8s_names import LabelValue, QualifiedName, schema_says

COMPLETIONS_MAX = 10_000
TTL_MIN_SECONDS = 600
TTL_DEFAULT_SECONDS = 3600
_TERMS = 100

NodeSelector = Annotated[
    dict[QualifiedName, LabelValue],
    Field(max_length=_TERMS),
    BeforeValidator(partial(bounded, most=_TERMS)),
    schema_says(additionalProperties=False),
]


class JobParams(ContainerParams):
    """Parameters of a K8S/Job job."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        None,
        description="When the image is pulled; left out, as Kubernetes does: always if its tag is `latest` or none.",
    )
    node_selector: NodeSelector = Field({}, description="Labels that a node must have for the pods to run there.")
    parallelism: Annotated[int, Field(ge=1, le=PODS_MAX)] | None = Field(
        None, description="How many pods run at the same time, 1 by default."
    )
    completions: Annotated[int, Field(ge=1, le=COMPLETIONS_MAX)] | None = Field(
        None,
        description="How many pods must succeed, 1 by default. With `parallelism` alone, the pods share one queue of "
        "work: once one has succeeded and the others have ended, the job is done.",
    )
    ttl_seconds_after_finished: Annotated[int, Field(ge=TTL_MIN_SECONDS, lt=2**31)] = Field(
        TTL_DEFAULT_SECONDS,
        description="Seconds after which Kubernetes removes the finished Job if the service has not; at least 600, so "
        "that its logs and its end can be read.",
    )


@register
class K8sJob(Kind):
    """A Kubernetes Job of one attempt: retries are the service's, never Kubernetes'.

    Kubernetes may, rarely, start a pod twice: the work should bear that.
    """

    name = "K8S/Job"
    version = "1.0.0"
    runner_type = "kubernetes"
    summary = "Run a container to its end in a Kubernetes cluster."
    params_model = JobParams
    example: ClassVar[Mapping[str, Any]] = {
        "container_name": "build",
        "image_name": "busybox:1.37",
        "command": ["sh", "-c", "echo Built for $TARGET"],
        "env": {"TARGET": "production"},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
    }
