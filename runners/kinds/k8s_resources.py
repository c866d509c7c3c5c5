"""Amounts of CPU, memory and other things, as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipelines.kinds import Params, bounded
from pipelines.wording import describe
from runners.kinds.k8s_names import matching, schema_says

_RESOURCES = 32
_MOST = 2**63
_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?"
_PARTS = re.compile(r"(\+?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")
_RESOURCE = (
    r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGTPE]i"
    r"|(?=[^/]{1,253}/)[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?/[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)

_EXPECTED = "a quantity that is not negative, for example '500m', '2' or '1Gi'"


def _in_range(quantity: str | int | float) -> str | int | float:
    if not isinstance(quantity, str) and not 0 <= quantity < _MOST:
        raise ValueError(f"must be {_EXPECTED}, not {describe(quantity)}")
    return quantity


_IN_RANGE = schema_says(minimum=0, exclusiveMaximum=_MOST)
Quantity = Annotated[
    Annotated[str, *matching(_QUANTITY, most=32, expected=_EXPECTED)]
    | Annotated[int, _IN_RANGE]
    | Annotated[float, _IN_RANGE],
    AfterValidator(_in_range),
]
ResourceName = Annotated[
    str,
    *matching(
        _RESOURCE,
        most=317,
        expected="'cpu', 'memory', 'ephemeral-storage', 'hugepages-2Mi' or, with a domain, like 'nvidia.com/gpu'",
        of_key=True,
    ),
]
Amounts = Annotated[
    dict[ResourceName, Quantity],
    Field(max_length=_RESOURCES),
    BeforeValidator(partial(bounded, most=_RESOURCES)),
    schema_says(additionalProperties=False),
]


class Resources(Params):
    """What a container is given."""

    requests: Amounts = Field(
        default={}, description="What is set aside for it, for example `cpu: 500m` and `memory: 256Mi`."
    )
    limits: Amounts = Field(default={}, description="What it may use at most; over its memory limit it is killed.")

    @model_validator(mode="after")
    def _requests_within_limits(self) -> Resources:
        for name, amount in {**self.limits, **self.requests}.items():
            whole = "/" in name or name.startswith("hugepages-")
            if "/" in name and any(number_of(each[name]) % 1 for each in (self.requests, self.limits) if name in each):
                raise ValueError(f"must give {name} as a whole number")
            limit = self.limits.get(name)
            if whole and (limit is None or number_of(amount) != number_of(limit)):
                raise ValueError(
                    f"must give {name} as a limit, and as a request, if at all, the same: it is not shared"
                )
            if limit is not None and number_of(amount) > number_of(limit):
                raise ValueError(f"requests more {name} ({amount}) than its limit allows ({limit})")
        return self


def number_of(quantity: str | int | float) -> Decimal:
    """Return the number that a valid quantity stands for."""
    found = _PARTS.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity} is no quantity")
    number, suffix = Decimal(found[1]), found[2]
    return number * 1024 ** _BINARY[suffix] if suffix in _BINARY else number.scaleb(_SUFFIXES[suffix])
