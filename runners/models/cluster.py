from __future__ import annotations

import secrets

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models

from clients.sealing import seal, unseal
from runners.models.runner import Runner

# RFC 1123, as Kubernetes names namespaces.
dns_label = RegexValidator(
    r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", "Lower-case letters, digits and dashes, as Kubernetes names namespaces."
)
dns_name = RegexValidator(
    r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z",
    "Lower-case letters, digits, dashes and dots, as Kubernetes names service accounts.",
)


def new_install_id() -> str:
    return secrets.token_hex(4)


class Installation(models.Model):
    """Who we are where several services share a cluster: one row, made when it is first asked for."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    name = models.CharField(max_length=8, default=new_install_id, help_text="Labels this service's Kubernetes objects.")

    class Meta:
        constraints = [models.CheckConstraint(name="installation_only_one", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> str:
        """Return the id of this installation."""
        return cls.objects.get_or_create(pk=1)[0].name


class Cluster(models.Model):
    """The Kubernetes API behind a runner, what jobs may name there, and how its last round went."""

    runner = models.OneToOneField(Runner, on_delete=models.CASCADE, primary_key=True, related_name="cluster")
    server = models.CharField(max_length=2048, help_text="URL of the API server.")
    namespace = models.CharField(max_length=63, validators=[dns_label], help_text="Where jobs go that name none.")
    namespaces = ArrayField(
        models.CharField(max_length=63, validators=[dns_label]),
        default=list,
        blank=True,
        help_text="The namespaces that jobs may name, separated by commas; empty: only the runner's own.",
    )
    service_accounts = ArrayField(
        models.CharField(max_length=253, validators=[dns_name]),
        default=list,
        blank=True,
        help_text="The service accounts that jobs may name, separated by commas; empty: none.",
    )
    sealed_connection = models.TextField(editable=False)
    synced_at = models.DateTimeField(null=True, editable=False, help_text="When a round last listed its objects.")
    error = models.TextField(blank=True, editable=False, help_text="Why the last round failed.")
    not_before = models.DateTimeField(
        null=True, editable=False, help_text="The API server asked to be left alone so long."
    )
    # One round at a time: who holds this lease; a nudge meanwhile leaves a note, and another round follows.
    round_until = models.DateTimeField(null=True, editable=False)
    round_requested = models.BooleanField(default=False, editable=False)

    def __str__(self) -> str:
        return self.server

    @property
    def allowed_namespaces(self) -> list[str]:
        """Return the namespaces of this runner, its own first."""
        return list(dict.fromkeys([self.namespace, *self.namespaces]))

    @property
    def connection(self) -> str:
        """Return the connection in clear, as JSON; only for talking to the cluster."""
        return unseal(self.sealed_connection)

    @connection.setter
    def connection(self, value: str) -> None:
        self.sealed_connection = seal(value)
