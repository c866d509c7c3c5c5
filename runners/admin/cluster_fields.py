"""The cluster of a Kubernetes runner in its form: credentials are entered here and never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField

from clients.admin_named_secrets import SecretText
from runners.kubernetes import credentials
from runners.kubernetes.connection import MAX_FILE_BYTES, Connection
from runners.kubernetes.entering import InvalidFields, entered
from runners.kubernetes.exceptions import InvalidConnection
from runners.models import Cluster
from runners.models.cluster import dns_label, dns_name

NAMES = ("namespace", "namespaces", "service_accounts")
SECRETS = ("token", "ca", "kubeconfig")
FIELDS = ("server", *NAMES, *SECRETS, "context")

_REQUIRED = "A kubernetes runner needs it."


class ClusterFields(forms.Form):
    """The fields; `cluster_changes` says after `is_valid` what is to be kept, as registration takes it."""

    # The hidden initial: only what differs from what the page showed is a change.
    server = forms.CharField(
        required=False,
        max_length=2048,
        show_hidden_initial=True,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="URL of the API server, such as https://10.0.0.1:6443. Another one needs the token too.",
    )
    namespace = forms.CharField(
        required=False,
        max_length=63,
        validators=[dns_label],
        show_hidden_initial=True,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="Where jobs go that name none.",
    )
    namespaces = SimpleArrayField(
        forms.CharField(max_length=63, validators=[dns_label]),
        required=False,
        show_hidden_initial=True,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="The namespaces that jobs may name, separated by commas; its own is always one of them.",
    )
    service_accounts = SimpleArrayField(
        forms.CharField(max_length=253, validators=[dns_name]),
        required=False,
        show_hidden_initial=True,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="The service accounts that jobs may name, separated by commas; empty: none.",
    )
    token = forms.CharField(
        required=False,
        widget=SecretText(),
        help_text="Of a service account. Kept encrypted and never shown; empty keeps the one there is.",
    )
    ca = forms.CharField(
        required=False,
        label="CA",
        widget=SecretText(),
        help_text="The authority of the API server's certificate, in PEM, with the token; empty keeps the one there "
        "is, of a new server: the system's authorities.",
    )
    kubeconfig = forms.CharField(
        required=False,
        max_length=MAX_FILE_BYTES,
        widget=SecretText(),
        help_text="In place of server, token and CA: one that holds its token or certificate itself. No file that it "
        "names is read, no program run.",
    )
    context = forms.CharField(
        required=False,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text="Of the kubeconfig; empty: its current one.",
    )

    cluster_changes: dict[str, Any]

    def show_cluster(self, cluster: Cluster) -> None:
        """Begin with what may be seen of the runner's cluster."""
        for name in ("server", *NAMES):
            self.fields[name].initial = getattr(cluster, name)

    def clean_cluster(self, *, kept: Cluster | None) -> None:
        """Find out what is to be kept of a runner that has a cluster, or is to have one."""
        given = self.cleaned_data
        changed = {name: given[name] for name in NAMES if name in given and (kept is None or name in self.changed_data)}
        for name in ("namespace", *(() if given.get("kubeconfig") else ("server",))):
            if not given.get(name) and name not in self.errors:
                self.add_error(name, _REQUIRED)
        if self.errors.keys() & {*FIELDS}:
            return
        connection = self._of_kubeconfig() if given["kubeconfig"] else self._of_fields(kept=kept)
        self.cluster_changes = changed | ({"connection": connection} if connection else {})

    def _of_fields(self, *, kept: Cluster | None) -> Connection | None:
        if self.cleaned_data["context"]:
            self.add_error("context", "Give the kubeconfig that it is of.")
            return None
        names = ("token", "ca", *(("server",) if kept is None or "server" in self.changed_data else ()))
        try:
            return entered({name: self.cleaned_data[name] for name in names if self.cleaned_data[name]}, kept=kept)
        except InvalidFields as refused:
            for name, why in refused.by_field.items():
                self.add_error(name, why)
            return None

    def _of_kubeconfig(self) -> Connection | None:
        given = self.cleaned_data
        if also := [name for name in ("token", "ca") if given[name]]:
            self.add_error(also[0], "Give either this or a kubeconfig.")
            return None
        try:
            return credentials.from_kubeconfig_text(given["kubeconfig"], context=given["context"] or None)
        except InvalidConnection as refused:
            self.add_error("kubeconfig", str(refused))
            return None
