"""Filters of the lists."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.filters import BaseFilterBackend, OrderingFilter
from rest_framework.request import Request
from rest_framework.views import APIView

from pipelines import clock
from pipelines.definition.values import unusable_scalar
from pipelines.models import Job, Pipeline
from pipelines.states import State


class Filtering(DjangoFilterBackend):
    """django-filter's, which makes its forms only where something is asked for."""

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        return super().filter_queryset(request, queryset, view) if request.query_params else queryset


class LabelsField(forms.Field):
    """Every `key=value` that the parameter is given, not only the last."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[dict[str, str]]:
        labels = [str(each).partition("=") for each in value or ()]
        if not all(equals for _, equals, _ in labels):
            raise forms.ValidationError("Give it as label=key=value.")
        if any(unusable_scalar(text) for label in labels for text in label):
            raise forms.ValidationError("No label holds such characters.")
        return [{key: wanted} for key, _, wanted in labels]


@extend_schema_field({"type": "array", "items": {"type": "string"}})
@extend_schema_field({"type": "array", "items": {"type": "string"}})
class LabelFilter(django_filters.Filter):
    """`label=key=value`, which may be repeated: every one of them must match."""

    field_class = LabelsField

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        for label in value or ():
            qs = qs.filter(labels__contains=label)
        return qs


@extend_schema_field(OpenApiTypes.INT)
class IdFilter(django_filters.Filter):
    """A whole number: of a fraction or an exponent, Django would drop what does not fit an id."""

    field_class = forms.IntegerField


class InstantField(IsoDateTimeField):
    """A point in time; one that leaves the calendar in UTC, or an offset that PostgreSQL does not know, is none."""

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        try:
            return found and clock.in_utc(found)
        except ValueError as error:
            raise forms.ValidationError(self.error_messages["invalid"]) from error


class InstantFilter(django_filters.IsoDateTimeFilter):
    field_class = InstantField


class PipelineFilter(django_filters.FilterSet):
    state = django_filters.MultipleChoiceFilter(choices=State.choices, distinct=False)
    name = django_filters.CharFilter()
    label = LabelFilter(help_text="key=value; may be repeated, every one must match.")
    created_after = InstantFilter(field_name="created_at", lookup_expr="gte")
    created_before = InstantFilter(field_name="created_at", lookup_expr="lt")
    client = django_filters.CharFilter(field_name="client__client_id", help_text="For staff: a client's id.")

    class Meta:
        model = Pipeline
        fields: list[str] = []


class JobFilter(django_filters.FilterSet):
    pipeline = IdFilter(field_name="pipeline_id", min_value=1)
    stage = django_filters.CharFilter(field_name="stage__name")
    state = django_filters.MultipleChoiceFilter(choices=State.choices, distinct=False)
    kind = django_filters.CharFilter()
    runner = django_filters.CharFilter(field_name="runner_name")

    class Meta:
        model = Job
        fields: list[str] = []


class OldestFirst(BaseFilterBackend):
    """What happened, from the first on; the page's cursor follows the same order."""

    ordering = ("id",)

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> tuple[str, ...]:
        return self.ordering

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        return queryset.order_by(*self.ordering)


class IdOrdering(OrderingFilter):
    """`ordering`, some of the view's `ordering_fields`; ties keep the order of creation."""

    def remove_invalid_fields(self, queryset: Any, fields: Any, view: Any, request: Any) -> Any:
        """Refuse instead: who misspells an order should not read on in another."""
        if super().remove_invalid_fields(queryset, fields, view, request) != fields:
            names = ", ".join(view.ordering_fields)
            raise ValidationError({"ordering": [f"Order by {names}; with '-' before it, downwards."]})
        return fields

    def get_ordering(self, request: Any, queryset: QuerySet[Any], view: Any) -> Any:
        ordering = super().get_ordering(request, queryset, view)
        names = {name.lstrip("-") for name in ordering or ()}
        return ordering if not ordering or "id" in names else [*ordering, "-id"]
