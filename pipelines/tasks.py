"""Celery's way in: each task fetches and calls one operation."""

from __future__ import annotations

from celery import shared_task

from pipelines import clock, division, pruning, sweeping


@shared_task(name="pipelines.divide")
def divide(pipeline_id: int) -> None:
    division.divide_submitted(pipeline_id)


@shared_task(name="pipelines.sweep")
def sweep() -> None:
    sweeping.sweep(now=clock.now())


@shared_task(name="pipelines.prune")
def prune() -> None:
    pruning.prune(now=clock.now())
