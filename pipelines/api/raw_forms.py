"""What the raw-data forms of the browsable API begin with, and for whom staff may submit there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import APIException
from rest_framework.request import Request

from clients.models import Client
from clients.principals import requesting_client
from pipelines.api.bodies import Body

_SHOWN_AGAIN_BYTES = 256 * 1024
_CLIENTS_SHOWN = 1000

PIPELINE = """\
# Smaller number = higher priority, everywhere.
name: hello
stages: [greet, part]
jobs:
  - name: hello
    stage: greet
    kind: Shell
    version: 1.0.0
    params:
      command: echo "Hello from $TASKPIPELINE_JOB"
  - name: goodbye
    stage: part
    kind: Shell
    version: 1.0.0
    priority: 10          # within its stage
    retry_attempt: 1      # tries after the first
    allow_failure: false  # whether its failure lets the pipeline go on
    timeout: 60           # seconds
    params:
      command: |
        echo "Goodbye"
"""

JOB = """\
pipeline: 1  # the id of one that has not ended
stage: greet
name: one more
kind: Shell
version: 1.0.0
params:
  command: echo "Hello again"
"""


class RawForms:
    """Mixin of viewsets whose bodies the domain reads itself."""

    example = ""
    """A body to POST to the list, as YAML."""
    changeable: tuple[str, ...] = ()
    """The fields that a PATCH takes, shown with their present values."""

    if TYPE_CHECKING:
        request: Any
        detail: bool

    def raw_form_initial(self, method: str, *, data: Any, failed: bool) -> dict[str, str] | None:
        """Return what the form for the method begins with: after a failure what was sent, mistakes and all.

        None for a POST to one row, which takes no body.
        """
        if method == "POST" and self.detail:
            return None
        if failed and self.request.method == method:
            sent = _sent(self.request)
            if sent is not None and len(sent.content) <= _SHOWN_AGAIN_BYTES:
                return {"_content_type": sent.media_type, "_content": sent.content.decode(errors="replace")}
        if method == "POST":
            return {"_content_type": "application/yaml", "_content": self.example}
        if method == "PATCH" and isinstance(data, Mapping) and self.changeable and self.changeable[0] in data:
            present = {name: data[name] for name in self.changeable}
            content = json.dumps(present, indent=2, ensure_ascii=False)
            return {"_content_type": "application/json", "_content": content}
        return {}


class SubmitsForClients:
    """Mixin of the viewset to which staff submit for a client."""

    if TYPE_CHECKING:
        request: Any
        detail: bool

    def clients_to_submit_for(self) -> list[Client] | None:
        """Return the clients from whom staff choose on the list's page; None where there is nothing to choose."""
        if self.detail or requesting_client(self.request) is not None:
            return None
        return list(Client.objects.filter(is_active=True).only("client_id", "name").order_by("name")[:_CLIENTS_SHOWN])


def _sent(request: Request) -> Body | None:
    try:
        body: object = request.data
    except APIException:
        return None
    return body if isinstance(body, Body) else None
