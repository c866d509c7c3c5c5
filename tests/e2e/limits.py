"""Whether the limits hold, looked at all the time by a thread of its own."""

from __future__ import annotations

import threading

import psycopg

# One statement, so one snapshot: who holds how much of what at this instant.
_IN_USE = """
SELECT 'service', count(*), %s FROM pipelines_job WHERE state = 'IN_PROGRESS'
UNION ALL
SELECT client.name, count(job.id), client.queue_size FROM clients_client client
LEFT JOIN pipelines_job job ON job.client_id = client.id AND job.state = 'IN_PROGRESS'
WHERE client.queue_size IS NOT NULL GROUP BY client.id
UNION ALL
SELECT runner.name, count(attempt.id), runner.capacity FROM runners_runner runner
LEFT JOIN runners_attempt attempt ON attempt.runner_id = runner.id AND attempt.outcome = '' GROUP BY runner.id
"""
_PAUSE_SECONDS = 0.02


class Sampler:
    """Samples until it is stopped; the database may be away in between."""

    def __init__(self, database_url: str, *, queue_size: int) -> None:
        self.samples = 0
        self.peaks: dict[str, int] = {}
        self.findings: list[str] = []
        self._database_url = database_url
        self._queue_size = queue_size
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self._database_url, autocommit=True, connect_timeout=5) as connection:
                    while not self._stopped.wait(_PAUSE_SECONDS):
                        self._look(connection)
            except psycopg.Error:
                self._stopped.wait(_PAUSE_SECONDS)

    def _look(self, connection: psycopg.Connection) -> None:
        for name, in_use, limit in connection.execute(_IN_USE, [self._queue_size]).fetchall():
            self.peaks[name] = max(self.peaks.get(name, 0), in_use)
            if in_use > limit:
                self.findings.append(f"{name} uses {in_use} of {limit}")
        self.samples += 1
