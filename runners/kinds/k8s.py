"""What the Kubernetes kinds share: the parameters of one container and of the pod around it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from pipelines.kinds import Params, bounded
from pipelines.wording import quoted
from runners.kinds.k8s_names import (
    AnnotationKey,
    DnsLabel,
    DnsSubdomain,
    LabelKey,
    LabelValue,
    Variable,
    schema_says,
)
from runners.kinds.k8s_resources import Resources
from runners.kinds.shell import Text

PODS_MAX = 1000
_ITEMS = 1000
_LABELS = 100
_SECRETS = 32
_ANNOTATION_BYTES = 256 * 1024
_IMAGE = r"[^\s\u0000-\u0020]+"


def _image(text: str) -> str:
    if text.split() != [text] or not text.isprintable():
        raise ValueError(
            f"must be the name of an image, without blanks, for example 'busybox:1.37', not {quoted(text)}"
        )
    return text


def _not_too_large(annotations: dict[str, str]) -> dict[str, str]:
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES:
        raise ValueError(f"must have at most {_ANNOTATION_BYTES} bytes together, as Kubernetes allows")
    return annotations


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("must not name the same secret twice")
    return names


Image = Annotated[str, Field(max_length=1024), AfterValidator(_image), schema_says(pattern=f"^{_IMAGE}$")]
Words = Annotated[list[Text], Field(max_length=_ITEMS)]
Environment = Annotated[
    dict[Variable, Text],
    Field(max_length=_ITEMS),
    BeforeValidator(partial(bounded, most=_ITEMS)),
    schema_says(additionalProperties=False),
]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=_LABELS),
    BeforeValidator(partial(bounded, most=_LABELS)),
    schema_says(additionalProperties=False),
]
Annotations = Annotated[
    dict[AnnotationKey, Text],
    Field(max_length=_LABELS),
    BeforeValidator(partial(bounded, most=_LABELS)),
    AfterValidator(_not_too_large),
    schema_says(additionalProperties=False),
]
SecretNames = Annotated[
    list[DnsSubdomain], Field(max_length=_SECRETS), AfterValidator(_unique), schema_says(uniqueItems=True)
]


class ContainerParams(Params):
    """Parameters of a pod with one container."""

    container_name: DnsLabel = Field(description="What the container is called; a DNS label.")
    image_name: Image = Field(description="The image to run, with its tag or digest.")
    command: Words | None = Field(
        None, description="The program and its arguments, in place of the image's entry point. `$(NAME)` is replaced."
    )
    args: Words | None = Field(None, description="Arguments, in place of the image's. `$(NAME)` is replaced.")
    env: Environment = Field({}, description="Environment variables.")
    namespace: DnsLabel | None = Field(
        None, description="One of the namespaces that the runner allows; left out, the runner's own."
    )
    resources: Resources = Field(Resources(), description="What the container is given and may use.")
    service_account: DnsSubdomain | None = Field(
        None,
        description="One of the service accounts that the runner allows; left out, the pod gets no credentials for the "
        "cluster.",
    )
    image_pull_secrets: SecretNames = Field([], description="Secrets of the namespace to pull the image with.")
    labels: Labels = Field({}, description="Labels of the object and of its pods.")
    annotations: Annotations = Field({}, description="Annotations of the object and of its pods.")
