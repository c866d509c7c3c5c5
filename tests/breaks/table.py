"""Deliberate faults, one guard each, and the tests that must fail on a build that has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """`old` stands once in the file and becomes `new`; then some of the tests must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


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
HOSTILE = (
    Break(
        "pages come without a policy",
        "taskpipeline/settings.py",
        '    "csp.middleware.CSPMiddleware",\n',
        "",
        ("tests/taskpipeline/test_headers.py",),
    ),
    Break(
        "a session's cookie travels in the clear",
        "taskpipeline/settings.py",
        "SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _https",
        "SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = False",
        ("tests/taskpipeline/test_sessions.py",),
    ),
    Break(
        "passwords may be guessed for ever",
        "taskpipeline/settings.py",
        '"axes.backends.AxesStandaloneBackend", ',
        "",
        ("tests/taskpipeline/test_logins.py",),
    ),
    Break(
        "a filter takes moments that the database does not",
        "pipelines/api/filters.py",
        "            return found and clock.in_utc(found)\n",
        "            return found\n",
        ("tests/pipelines/test_api_lists.py",),
    ),
    Break(
        "answers are not as the OpenAPI document has them",
        "taskpipeline/settings.py",
        '        "taskpipeline.api.openapi.add_problems",\n',
        "",
        ("tests/taskpipeline/test_openapi_fuzzed.py",),
    ),
    Break(
        "a document may nest as deep as it likes",
        "pipelines/definition/json_text.py",
        "if depth > limits.max_depth:",
        "if depth > 10**9:",
        ("tests/pipelines/test_definition_bombs.py",),
    ),
    Break(
        "a log is whatever a browser takes it for",
        "taskpipeline/settings.py",
        'X_FRAME_OPTIONS = "DENY"\n',
        'X_FRAME_OPTIONS = "DENY"\nSECURE_CONTENT_TYPE_NOSNIFF = False\n',
        ("tests/taskpipeline/test_headers.py",),
    ),
)
SECRETS = (
    Break(
        "a named secret is kept as it is",
        "clients/vault.py",
        "    NamedSecret.objects.create(client=client, name=name, sealed_value=seal(value))",
        "    NamedSecret.objects.create(client=client, name=name, sealed_value=value)",
        ("tests/clients/test_vault.py",),
    ),
    Break(
        "a secret cut in two passes the mask",
        "runners/masking.py",
        "        return self._emit(self._masker.undecided(self._held))",
        "        return self._emit(len(self._held))",
        ("tests/runners/test_masking.py", "tests/agent/test_masking.py"),
    ),
    Break(
        "what a schema marks as secret is shown",
        "pipelines/masking.py",
        "if kind.has_secret_params else job.params\n",
        "if kind is None else job.params\n",
        ("tests/pipelines/test_masking.py",),
    ),
    Break(
        "a message shows its arguments",
        "runners/executors/server.py",
        ', shown=f"<{len(batch)} execute requests>"',
        "",
        ("tests/runners/test_server_executor.py",),
    ),
)
BROKER = (
    Break(
        "a runner's user may read every queue",
        "runners/broker.py",
        "resetchannels ~{self.queue} -@all",
        "resetchannels ~* -@all",
        ("tests/e2e/test_broker.py",),
    ),
    Break(
        "a control worker unpickles",
        "taskpipeline/settings.py",
        'CELERY_ACCEPT_CONTENT = ["json"]',
        'CELERY_ACCEPT_CONTENT = ["json", "pickle"]',
        ("tests/e2e/test_broker.py", "tests/taskpipeline/test_celery.py"),
    ),
)
TIME = (
    Break(
        "leases go by the clock of whoever looks",
        "pipelines/clock.py",
        "        moment: datetime = cursor.fetchone()[0]\n",
        "        moment: datetime = datetime.now(UTC)\n",
        ("tests/runners/test_clocks.py",),
    ),
)
GROWTH = (
    Break(
        "everything old goes in one transaction",
        "pipelines/pruning.py",
        'old.values_list("pk", "declared_jobs")[:_BATCH]:',
        'old.values_list("pk", "declared_jobs"):',
        ("tests/pipelines/test_pruning.py",),
    ),
    Break(
        "a statement may take for ever",
        "taskpipeline/patience.py",
        '        "statement_timeout": statement_timeout_seconds,\n',
        "",
        ("tests/taskpipeline/test_patience.py",),
    ),
    Break(
        "plans made for empty tables are kept",
        "taskpipeline/settings.py",
        "-c enable_seqscan=off ",
        "",
        ("tests/runners/test_plans.py",),
    ),
    Break(
        "the claim reads the whole backlog",
        "runners/proposing.py",
        "    WHERE state = 'READY' AND eligible_at IS NOT NULL AND id > 0\n",
        "    WHERE state = 'READY' AND eligible_at IS NOT NULL\n",
        ("tests/runners/test_claiming_plan.py",),
    ),
)
DOCTOR = (
    Break(
        "the doctor does not look",
        "runners/doctor.py",
        "        if rows:\n",
        "        if not rows:\n",
        ("tests/runners/test_doctor.py",),
    ),
    Break(
        "a round after an outage takes back what could not be renewed",
        "runners/leases.py",
        "if last is None or last < now - 2 * interval():",
        "if last is None:",
        ("tests/runners/test_leases.py",),
    ),
)

# By what they try: faults, the life of everything, load, restarts, input, secrets, the broker, clocks, growth, alarms.
BREAKS = {
    "chaos": CHAOS,
    "lifecycle": LIFECYCLE,
    "backpressure": BACKPRESSURE,
    "grace": GRACE,
    "hostile": HOSTILE,
    "secrets": SECRETS,
    "broker": BROKER,
    "time": TIME,
    "growth": GROWTH,
    "doctor": DOCTOR,
}
