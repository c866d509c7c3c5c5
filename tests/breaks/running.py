"""Faults of what runs: of work and its attempts, of order and limits, of load and restarts."""

from __future__ import annotations

from tests.breaks.faults import Break

CHAOS = (
    Break(
        "the pool takes one job more than QUEUE_SIZE",
        "runners/claiming.py",
        "room = settings.QUEUE_SIZE - in_progress",
        "room = settings.QUEUE_SIZE + 1 - in_progress",
        ("tests/chaos/test_chaos.py",),
    ),
    Break(
        "the guardian lets work go on past its lease",
        "runners/agent/guardian.py",
        "if job.until <= now and not job.killing:",
        "if not job:",
        ("tests/agent/test_guardian.py", "tests/chaos/test_chaos.py"),
    ),
    Break(
        "the agent begins though its lease is over",
        "runners/agent/custody.py",
        "if self.begins and time.monotonic() < attempt.lease.kill_at:",
        "if self.begins:",
        ("tests/agent/test_stopping.py",),
    ),
    Break(
        "the guardian begins what comes too late",
        "runners/agent/guardian.py",
        "            if until <= time.monotonic():\n",
        "            if until <= 0:\n",
        ("tests/agent/test_guardian.py",),
    ),
    Break(
        "an attempt is begun twice by another worker",
        "runners/reports/effects.py",
        "return 200 if attempt.worker == item.worker else 409",
        "return 200",
        ("tests/runners/test_reports.py",),
    ),
    Break(
        "a late report is taken as a new one",
        "runners/reports/effects.py",
        "if attempt.is_over:\n        status = _late(",
        "if attempt.is_over and not batch:\n        status = _late(",
        ("tests/runners/test_reports.py",),
    ),
    Break(
        "leases never end",
        "runners/leases.py",
        'while batch := list(over.values_list("job_id", "job__pipeline")[:_BATCH]):',
        'while batch := list(over.none().values_list("job_id", "job__pipeline")):',
        ("tests/runners/test_leases.py",),
    ),
    Break(
        "the agent begins though it was told 409",
        "runners/agent/custody.py",
        "elif status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):\n            self._give_up(attempt)",
        "elif status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):\n            self._begin(attempt)",
        ("tests/agent/test_reports.py", "tests/agent/test_stopping.py"),
    ),
)
LIFECYCLE = (
    Break(
        "what waits in a failed pipeline goes on waiting",
        "pipelines/settling.py",
        "    cancel_ready_jobs(Job.objects.filter(pipeline__in=pipelines), reason=PIPELINE_FAILED, now=now)\n",
        "",
        ("tests/lifecycle", "tests/pipelines/test_settling.py"),
    ),
    Break(
        "a client's limit is not looked at",
        "runners/placement.py",
        "if candidate.client_room is not None and placed >= candidate.client_room:",
        "if candidate.client_room is not None and placed > candidate.client_room:",
        ("tests/lifecycle",),
    ),
    Break(
        "a deep front is taken for all there is",
        "runners/proposing.py",
        "if is_whole or (is_one_priority and len(candidates) == slots):",
        "if is_whole or is_one_priority or candidates:",
        ("tests/lifecycle", "tests/runners/test_claiming_model.py", "tests/runners/test_claiming.py"),
    ),
    Break(
        "only jobs that succeed count for a pipeline's progress",
        "pipelines/moves.py",
        "then=_COUNT if target in FINISHED",
        "then=_COUNT if target == State.DONE",
        ("tests/lifecycle", "tests/pipelines/test_api_lists.py"),
    ),
    Break(
        "a job that is deleted settles nothing",
        "pipelines/editing.py",
        "    settling.settle([job.pipeline_id], now=clock.now())\n",
        "",
        ("tests/pipelines/test_editing.py",),
    ),
    Break(
        "a stop does not bound the lease",
        "runners/models/attempt.py",
        "self.lease_until = min(self.lease_until, self.stop_by)",
        "self.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)",
        ("tests/runners/test_leases.py",),
    ),
    Break(
        "allowed failures count against the stage",
        "pipelines/settling.py",
        "count(*) FILTER (WHERE job.state = 'ERROR' AND NOT job.allow_failure)",
        "count(*) FILTER (WHERE job.state = 'ERROR')",
        ("tests/lifecycle", "tests/pipelines/test_settling.py"),
    ),
)
BACKPRESSURE = (
    Break(
        "racing submissions of a client are counted one beside the other",
        "pipelines/admission.py",
        "client = Client.objects.select_for_update(no_key=True).get(pk=client.pk)\n    check_fits",
        "client = Client.objects.get(pk=client.pk)\n    check_fits",
        ("tests/pipelines/test_admission.py",),
    ),
    Break(
        "racing submissions of all are counted one beside the other",
        "pipelines/admission.py",
        '            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SERVICE_LOCK])\n',
        "            pass\n",
        ("tests/pipelines/test_racing_submitters.py",),
    ),
    Break(
        "a key in use is no hindrance",
        "pipelines/idempotency.py",
        "        if not cursor.fetchone()[0]:\n            raise KeyInUse\n",
        "",
        ("tests/pipelines/test_idempotency.py",),
    ),
    Break(
        "nobody is throttled",
        "clients/throttling.py",
        "if spent_until > now + burst then return spent_until - now - burst end",
        "",
        ("tests/clients/test_throttling.py",),
    ),
)
GRACE = (
    Break(
        "a runner that is told to stop kills its work at once",
        "runners/agent/supervisor.py",
        "self._stop_work_at = now + self._config.grace_seconds",
        "self._stop_work_at = now",
        ("tests/agent/test_stopping.py",),
    ),
    Break(
        "an index is made while the table is locked",
        "pipelines/migrations/0004_front.py",
        '        AddIndexOnline(\n            "job",\n            models.Index(',
        '        migrations.AddIndex(\n            "job",\n            models.Index(',
        ("tests/test_migrations.py",),
    ),
)
