from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from pipelines import kinds
from pipelines.models import Pipeline, Stage

_ID_DIGITS = 18


class ChosenFilter(admin.SimpleListFilter):
    """The one row that a link to the list chose: named beside the list while it is chosen, else not offered."""

    model: type[Model]

    if TYPE_CHECKING:
        parameter_name: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        if self.chosen is None:
            return []
        row = self.model._default_manager.filter(pk=self.chosen).first()
        return [(str(self.value()), f"{row} (#{self.chosen})" if row else f"#{self.chosen}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.chosen is None else queryset.filter(**{f"{self.parameter_name}_id": self.chosen})

    @property
    def chosen(self) -> int | None:
        value = self.value() or ""
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= _ID_DIGITS else None


class PipelineFilter(ChosenFilter):
    title = "pipeline"
    parameter_name = "pipeline"
    model = Pipeline


class StageFilter(ChosenFilter):
    title = "stage"
    parameter_name = "stage"
    model = Stage


class KindFilter(admin.SimpleListFilter):
    """The kinds that there are; which of them occur would take a look at every job."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted({kind.name for kind in kinds.kinds()})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset
