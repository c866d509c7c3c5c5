"""Faults of what guards: input, secrets, the broker, clocks, growth, alarms."""

from __future__ import annotations

from tests.breaks.faults import Break

HOSTILE = (
    Break(
        "pages come without a policy",
        "taskpipeline/settings.py",
        '    "taskpipeline.api.policy.policy_middleware",\n',
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
        "a page counts the jobs of all that it shows",
        "pipelines/api/summaries.py",
        "    pipeline.declared_jobs, pipeline.ended_jobs\n",
        "    (SELECT count(*) FROM pipelines_job WHERE pipeline_id = pipeline.id), pipeline.ended_jobs\n",
        ("tests/taskpipeline/test_page_plans.py",),
    ),
    Break(
        "a request stays until the garbage collector comes",
        "taskpipeline/settings.py",
        '    "taskpipeline.api.untying.untying_middleware",\n',
        "",
        ("tests/taskpipeline/test_untying.py",),
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
