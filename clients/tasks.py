from __future__ import annotations

from celery import shared_task

from clients.registration import forget_expired_tokens


@shared_task(name="clients.forget_expired_tokens")
def forget_expired() -> None:
    forget_expired_tokens()
