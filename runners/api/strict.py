from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

if TYPE_CHECKING:
    Base = serializers.Serializer[Any]
else:
    Base = object


class Strict(Base):
    """Refuses what is no field: a misspelt one would be passed over, as if it had been set."""

    called = "thing"

    def to_internal_value(self, data: Any) -> Any:
        unknown = [str(name) for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({name: [f"A {self.called} has no such field."] for name in unknown})
        return super().to_internal_value(data)
