"""Divide a document, and copy the same rows into a table with a primary key and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from django.conf import settings
from django.db import connection, transaction

from benchmarks.documents import document
from benchmarks.inside.answering import answer
from clients.registration import create_client
from pipelines import clock, definition, division, submitting
from pipelines.definition import Limits
from pipelines.models import Job

Copy: TypeAlias = Any  # psycopg's, of which Django hands on a wrapper


class Divider:
    """One document, and the rows it becomes."""

    def __init__(self) -> None:
        self._client = create_client("divider").client
        self._jobs = 0
        self._document = self._made = b""
        self._rows: list[tuple[Any, ...]] = []

    def prepare(self, *, jobs: int) -> None:
        """Take a document of so many jobs, and make the table for the copy."""
        self._jobs, self._document = jobs, document(stages=2, jobs=jobs // 2)
        self.divide()
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM pipelines_job ORDER BY id")
            self._rows = cursor.fetchall()
            with cursor.copy("COPY pipelines_job TO STDOUT") as copy:
                self._made = b"".join(bytes(piece) for piece in copy)
            cursor.execute("CREATE TABLE plain_job (LIKE pipelines_job, PRIMARY KEY (id))")

    def divide(self) -> float:
        """Return the seconds from the document's bytes until its jobs are committed, as a large one takes its way.

        That is: read, checked, admitted and stored by the web process, divided by a control worker; without the
        message between them.
        """
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE pipelines_pipeline, pipelines_stage, pipelines_job, pipelines_event CASCADE")
        began = time.perf_counter()
        limits = Limits(max_jobs=settings.MAX_JOBS_PER_PIPELINE, max_characters=settings.MAX_DOCUMENT_BYTES)
        parsed = definition.parse(self._document, media_type="application/json", limits=limits)
        with transaction.atomic():
            pipeline, _ = submitting.submit(self._client, document=parsed, now=clock.now())
        division.divide_submitted(pipeline.pk)
        seconds = time.perf_counter() - began
        if (found := Job.objects.filter(pipeline=pipeline).count()) != self._jobs:
            raise RuntimeError(f"{found} jobs were made")
        return seconds

    def copy(self) -> float:
        """Return the seconds of copying the rows as a program has them: values, which the driver writes."""

        def write(copy: Copy) -> None:
            for row in self._rows:
                copy.write_row(row)

        return self._copied(write)

    def copy_made(self) -> float:
        """Return the seconds of copying the rows as COPY itself wrote them: what no program has, the least there is."""
        return self._copied(lambda copy: copy.write(self._made))

    def _copied(self, write: Callable[[Copy], None]) -> float:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE plain_job")
            began = time.perf_counter()
            with transaction.atomic(), cursor.copy("COPY plain_job FROM STDIN") as copy:
                write(copy)
            seconds = time.perf_counter() - began
            cursor.execute("SELECT count(*) FROM plain_job")
            if (found := cursor.fetchone()[0]) != self._jobs:
                raise RuntimeError(f"{found} rows were copied")
        return seconds


if __name__ == "__main__":
    divider = Divider()
    asked = {"divide": divider.divide, "copy": divider.copy, "copy_made": divider.copy_made}
    answer({"prepare": divider.prepare, **asked})
