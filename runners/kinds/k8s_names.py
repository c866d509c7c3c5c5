"""What Kubernetes calls a name: of objects, of labels, of environment variables; as types of parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from pipelines.definition.fields import END
from pipelines.wording import quoted

RESERVED_PREFIXES = ("taskpipeline.dev/", "batch.kubernetes.io/", "deployment.kubernetes.io/")
RESERVED_LABELS = ("controller-uid", "job-name", "pod-template-hash")
"""Set by the service and by Kubernetes' controllers: given by a job, they would break or be overwritten."""

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_QUALIFIED = rf"(?:(?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME}"
_NOT_RESERVED = "(?!{})".format("|".join(re.escape(prefix) for prefix in RESERVED_PREFIXES))
_NOT_A_RESERVED_LABEL = f"(?!(?:{'|'.join(RESERVED_LABELS)}){END})"
_VARIABLE = r"(?!\.\.)(?!\.$)[-._a-zA-Z][-._a-zA-Z0-9]*"
_LONGEST = 253 + 1 + 63

_DNS_LABEL = "a DNS label: 1 to 63 lower-case letters, digits and '-', the first and last no '-'"
_DNS_SUBDOMAIN = "a DNS name: 1 to 253 lower-case letters, digits, '-' and '.', each part beginning and ending with a \
letter or digit"
_QUALIFIED_NAME = (
    "a name of up to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit; before it \
there may be a DNS name and '/'"
)


def schema_says(**keywords: Any) -> Any:
    """Say in JSON Schema what the validators beside it check."""
    return Field(json_schema_extra=keywords)


def is_dns_label(text: str) -> bool:
    """Tell whether Kubernetes takes it as the name of a namespace or of nearly any object (RFC 1123 label)."""
    return len(text) <= 63 and re.fullmatch(_LABEL, text) is not None


def matching(pattern: str, *, most: int, expected: str, of_key: bool = False) -> tuple[Any, ...]:
    """Return what makes a string type one of strings that match, with that to say to the others."""
    check = partial(_matched, pattern=re.compile(pattern), most=most, expected=expected, of_key=of_key)
    return AfterValidator(check), schema_says(pattern=f"^(?:{pattern}){END}", maxLength=most)


def _matched(text: str, *, pattern: re.Pattern[str], most: int, expected: str, of_key: bool) -> str:
    if len(text) > most or not pattern.fullmatch(text):
        raise ValueError(f"{'its name ' if of_key else ''}must be {expected}, not {quoted(text)}")
    return text


def _not_reserved(key: str, *, names: tuple[str, ...]) -> str:
    for prefix in RESERVED_PREFIXES:
        if key.startswith(prefix):
            raise ValueError(f"names that begin with {quoted(prefix)} are reserved: choose another")
    if key in names:
        raise ValueError(f"the name {quoted(key)} is reserved by Kubernetes: choose another")
    return key


def _unreserved(*, names: tuple[str, ...] = ()) -> Callable[[str], str]:
    return partial(_not_reserved, names=names)


DnsLabel = Annotated[str, *matching(_LABEL, most=63, expected=_DNS_LABEL)]
DnsSubdomain = Annotated[str, *matching(_SUBDOMAIN, most=253, expected=_DNS_SUBDOMAIN)]
LabelValue = Annotated[
    str,
    *matching(
        rf"(?:{_NAME})?",
        most=63,
        expected="empty or up to 63 letters, digits, '-', '_' and '.', the first and last a letter or digit",
    ),
]
QualifiedName = Annotated[str, *matching(_QUALIFIED, most=_LONGEST, expected=_QUALIFIED_NAME, of_key=True)]
LabelKey = Annotated[
    QualifiedName,
    AfterValidator(_unreserved(names=RESERVED_LABELS)),
    schema_says(pattern=f"^{_NOT_RESERVED}{_NOT_A_RESERVED_LABEL}{_QUALIFIED}{END}"),
]
AnnotationKey = Annotated[
    QualifiedName, AfterValidator(_unreserved()), schema_says(pattern=f"^{_NOT_RESERVED}{_QUALIFIED}{END}")
]
Variable = Annotated[
    str,
    *matching(
        _VARIABLE,
        most=1024,
        expected="made of letters, digits, '_', '-' and '.', and begin with no digit and no '..'",
        of_key=True,
    ),
]
PortName = Annotated[
    str,
    *matching(
        r"(?!.*--)(?=.*[a-z])[a-z0-9](?:[-a-z0-9]*[a-z0-9])?",
        most=15,
        expected="1 to 15 lower-case letters, digits and single '-', with at least one letter and no '-' at an end",
    ),
]
