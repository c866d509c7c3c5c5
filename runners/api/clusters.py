"""The cluster of a Kubernetes runner as the API shows it and takes it: its credentials go in and never come out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from runners.api.strict import Strict
from runners.kubernetes.entering import InvalidFields, entered
from runners.models import Cluster
from runners.models.cluster import dns_label, dns_name

# Each namespace costs every round some requests.
_NAMES_MAX = 100
_CREDENTIALS = ("server", "token", "ca")


class ClusterSerializer(Strict, serializers.Serializer[Cluster]):
    """Where a Kubernetes runner's jobs go; `validated_data` has a `connection` if another is to be kept."""

    called = "cluster"

    server = serializers.CharField(max_length=2048, help_text="URL of the API server; another one needs the token too.")
    namespace = serializers.CharField(max_length=63, validators=[dns_label], help_text="Where jobs go that name none.")
    namespaces = serializers.ListField(
        child=serializers.CharField(max_length=63, validators=[dns_label]),
        required=False,
        max_length=_NAMES_MAX,
        help_text="The namespaces that jobs may name; its own is always one of them.",
    )
    service_accounts = serializers.ListField(
        child=serializers.CharField(max_length=253, validators=[dns_name]),
        required=False,
        max_length=_NAMES_MAX,
        help_text="The service accounts that jobs may name.",
    )
    token = serializers.CharField(
        write_only=True, max_length=64 * 1024, help_text="Of a service account; kept encrypted and never shown."
    )
    ca = serializers.CharField(
        write_only=True,
        required=False,
        allow_null=True,
        allow_blank=True,
        max_length=1 << 20,
        help_text="The authority of the API server's certificate, in PEM; null: the system's authorities.",
    )
    synced_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="When it last listed its objects.")
    error = serializers.CharField(read_only=True, help_text="Why the last round failed; empty if it succeeded.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        runner = getattr(self.root, "instance", None)
        kept = getattr(runner, "cluster", None)
        if runner is not None and kept is None:
            return attrs  # refused as a whole, by the runner
        given = {name: attrs.pop(name) for name in _CREDENTIALS if name in attrs}
        try:
            connection = entered(given, kept=kept)
        except InvalidFields as refused:
            raise serializers.ValidationError({name: [why] for name, why in refused.by_field.items()}) from refused
        return attrs if connection is None else {**attrs, "connection": connection}
