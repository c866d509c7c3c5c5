"""Idempotency-Key on submission: the same request again is answered with what it made the first time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from clients.models import Client
from pipelines import clock
from pipelines.exceptions import InvalidKey, KeyInUse, KeyReused
from pipelines.models import Contents, IdempotencyKey, Pipeline
from pipelines.models.submission import KEY_LIFETIME


@dataclass(frozen=True)
class Answer:
    """The pipeline a request made, the status it was answered with, and what is in it if this request made it."""

    pipeline: Pipeline
    status: int
    contents: Contents | None = None

    @property
    def replayed(self) -> bool:
        return self.contents is None


def fingerprint(*, query: str, media_type: str, body: bytes) -> str:
    """Return what tells two requests apart."""
    digest = hashlib.sha256()
    for part in (query.encode(), media_type.encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def read_key(header: str) -> str:
    """Return the key of an Idempotency-Key header, with or without quotes; raise InvalidKey if it is none.

    draft-ietf-httpapi-idempotency-key-header: a quoted string.
    """
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidKey
    return key


@transaction.atomic
def once(*, key: str, client: Client, user: Any, fingerprint: str, make: Callable[[], Answer]) -> Answer:
    """Make the pipeline, or return the one made by an earlier request with this key, in one transaction.

    Keys are per client, for staff per user and client. Raise KeyInUse while the first request is still running and
    KeyReused if it was another request.
    """
    scope = f"{client.pk}:{user.pk if user else ''}:{key}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [scope])
        if not cursor.fetchone()[0]:
            raise KeyInUse
    used = IdempotencyKey.objects.select_related("pipeline").filter(client=client, user=user, key=key)
    used.filter(created_at__lt=clock.now() - KEY_LIFETIME).delete()
    kept = used.first()
    if kept is None:
        answer = make()
        IdempotencyKey.objects.create(
            client=client, user=user, key=key, fingerprint=fingerprint, status=answer.status, pipeline=answer.pipeline
        )
        return answer
    if kept.fingerprint != fingerprint:
        raise KeyReused
    return Answer(kept.pipeline, kept.status)
