"""Settings, read from the environment; every name and default stands in .env.example."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.conf import global_settings

from taskpipeline import engines, environment, keys, logs, patience

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = environment.directory("VAR_DIR", default=BASE_DIR / "var")

DEBUG = environment.boolean("DEBUG", default=False)
SECRET_KEY = environment.text("SECRET_KEY") or keys.local_secret_key(VAR_DIR / "secret.key")
SECRET_KEY_FALLBACKS = environment.words("SECRET_KEY_FALLBACKS")
HOST = environment.text("HOST", default="127.0.0.1")
PORT = environment.integer("PORT", default=8000, minimum=1, maximum=65535)
# Who listens everywhere is reached from here by the loopback address; the world is told by PUBLIC_URL.
_here = "127.0.0.1" if HOST in ("0.0.0.0", "::", "") else HOST  # noqa: S104
PUBLIC_URL = environment.url("PUBLIC_URL", schemes=("http", "https"), default=f"http://{_here}:{PORT}").rstrip("/")
# Loopback always: the stack's own probes and its runner come that way.
ALLOWED_HOSTS = [
    *environment.words("ALLOWED_HOSTS", default=[HOST, socket.gethostname(), urlsplit(PUBLIC_URL).hostname or HOST]),
    *("localhost", "127.0.0.1", "[::1]"),
]

# Limits and clocks of the service.
QUEUE_SIZE = environment.integer("QUEUE_SIZE", default=100)
MAX_JOBS_PER_PIPELINE = environment.integer("MAX_JOBS_PER_PIPELINE", default=20_000, minimum=1)
MAX_READY_JOBS = environment.optional_integer("MAX_READY_JOBS")
CLIENT_REQUESTS_PER_MINUTE = environment.optional_integer("CLIENT_REQUESTS_PER_MINUTE", minimum=1)
MAX_DOCUMENT_BYTES = environment.integer("MAX_DOCUMENT_BYTES", default=16 * 2**20, minimum=1024)
DIVIDE_INLINE_MAX_JOBS = environment.integer("DIVIDE_INLINE_MAX_JOBS", default=500)
TOP_UP_SECONDS = environment.seconds("TOP_UP_SECONDS", default=2)
LEASE_SECONDS = environment.seconds("LEASE_SECONDS", default=60, minimum=1)
HEARTBEAT_SECONDS = environment.seconds("HEARTBEAT_SECONDS", default=10)
RUNNER_OFFLINE_SECONDS = environment.seconds("RUNNER_OFFLINE_SECONDS", default=30, minimum=1)
STOP_GRACE_SECONDS = environment.seconds("STOP_GRACE_SECONDS", default=10)
RETRY_BACKOFF_SECONDS = environment.seconds("RETRY_BACKOFF_SECONDS", default=1, minimum=0)
LOSS_LIMIT = environment.integer("LOSS_LIMIT", default=3)
LOG_LIMIT_BYTES = environment.integer("LOG_LIMIT_BYTES", default=10 * 2**20, minimum=1024)
RETENTION_DAYS = environment.integer("RETENTION_DAYS", default=30, minimum=1)
STREAM_LIMIT = environment.integer("STREAM_LIMIT", default=4)
METRICS_TOKEN = environment.text("METRICS_TOKEN")
STATEMENT_TIMEOUT_SECONDS = environment.seconds("STATEMENT_TIMEOUT_SECONDS", default=30, minimum=0)
IDLE_TRANSACTION_TIMEOUT_SECONDS = environment.seconds("IDLE_TRANSACTION_TIMEOUT_SECONDS", default=60, minimum=0)

# Engines: the servers named, else those embedded under VAR_DIR while they are up.
_embedded = engines.running(VAR_DIR)
DATABASE_URL = environment.url("DATABASE_URL", schemes=("postgres", "postgresql")) or (
    _embedded.database_url if _embedded else ""
)
REDIS_URL = environment.url("REDIS_URL", schemes=("redis", "rediss", "unix")) or (
    _embedded.redis_url if _embedded else ""
)
if DATABASE_URL:
    DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
    DATABASES["default"] |= {"ENGINE": "taskpipeline.database"}
    DATABASES["default"].setdefault("OPTIONS", {})
    DATABASES["default"]["OPTIONS"] |= {
        # PostgreSQL keeps the plans of what is asked often, for planning is half of what a short query costs, and makes
        # them by indexes: one made for an empty table would read all of it and be kept until that is analysed.
        "server_side_binding": True,
        "prepare_threshold": 5,
        "pool": {"min_size": 0, "max_size": 16, "timeout": 5, "max_idle": 120},
        # A short wait for a connection: a database that is away is said at once, not after half a minute.
        "connect_timeout": 5,
        "options": "-c enable_seqscan=off "
        + patience.session_options(
            DATABASES["default"]["OPTIONS"].get("options", ""),
            statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS,
            idle_transaction_timeout_seconds=IDLE_TRANSACTION_TIMEOUT_SECONDS,
        ),
    }
else:
    # What needs no database (check, makemigrations --check, --help, run_runner) runs; the rest is told by manage.py.
    DATABASES = {"default": {"ENGINE": "taskpipeline.no_database"}}
    DATABASE_ROUTERS = ["taskpipeline.no_database.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "taskpipeline.apps.TaskPipelineConfig",
    "clients",
    "pipelines",
    "runners",
    "taskpipeline.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "oauth2_provider",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "pgtrigger",
    "csp",
]

MIDDLEWARE = [
    "taskpipeline.api.untying.untying_middleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "taskpipeline.api.policy.policy_middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "taskpipeline.api.sessions.SessionMiddleware",
    "taskpipeline.api.slashes.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "taskpipeline.api.sessions.AuthenticationMiddleware",
    "taskpipeline.api.sessions.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "taskpipeline.urls"
WSGI_APPLICATION = "taskpipeline.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "taskpipeline.formats"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # served from the packages: a stack needs no collectstatic
WHITENOISE_AUTOREFRESH = DEBUG

# Who asks.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Of a user and an address together: nobody locks an operator out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = environment.integer("LOGIN_FAILURE_LIMIT", default=10, minimum=1)
AXES_COOLOFF_TIME = timedelta(seconds=environment.seconds("LOGIN_LOCKOUT_SECONDS", default=900, minimum=1))
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # what is tried meanwhile is not even written down
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "taskpipeline.logins.client_address"
AXES_USERNAME_CALLABLE = "taskpipeline.logins.login_name"
AXES_LOCKOUT_CALLABLE = "taskpipeline.logins.locked_out"
AXES_SENSITIVE_PARAMETERS = ["username"]  # some type their password there
AXES_VERBOSE = AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
LOGIN_URL = "/api-auth/login/"
LOGIN_REDIRECT_URL = "/api/v1/"
LOGOUT_REDIRECT_URL = "/api/v1/"
# Django's own for people; the clients' random secrets need only a fast hash, and never one of these.
PASSWORD_HASHERS = [*global_settings.PASSWORD_HASHERS, "clients.hashers.ClientSecretHasher"]
OAUTH2_PROVIDER_APPLICATION_MODEL = "clients.Client"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",  # knows no grant but client credentials
    "OAUTH2_VALIDATOR_CLASS": "clients.provider.ClientValidator",
    "OAUTH2_BACKEND_CLASS": "clients.provider.FormRequests",
    "ACCESS_TOKEN_GENERATOR": "clients.tokens.new_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "CLIENT_SECRET_HASHER": "client_sha256",
    "SCOPES": {"api": "Submit pipelines and follow them"},
    "DEFAULT_SCOPES": ["api"],
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    # RFC 9700 throughout; of a token only its SHA-256 is kept.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clients.authentication.BearerAuthentication",
        "clients.authentication.ClientBasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["clients.permissions.IsClientOrStaff"],
    "DEFAULT_THROTTLE_CLASSES": ["clients.throttling.Throttle"],
    "DEFAULT_RENDERER_CLASSES": [
        "pipelines.api.rendering.JSONRenderer",
        "taskpipeline.api.browsable.BrowsableRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "taskpipeline.api.pagination.IdCursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "taskpipeline.api.problems.problem_response",
    "URL_FORMAT_OVERRIDE": None,
}

# Celery: work orders and wake-ups only; nothing that matters lives in a message.
# Celery spells a Redis socket otherwise than redis-py does.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 3, "socket_keepalive": True}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "control"
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Of tasks acknowledged late, which ours never are (a test sees to it): the coming default, chosen now.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "taskpipeline.schedule:Scheduler"
CELERY_BEAT_SCHEDULE = {
    # Ticks do not pile up for ever while no worker takes them. An hour and no less, because beat's clock says when
    # they expire and the worker's whether: those need not be the same.
    name: {
        "task": task,
        "schedule": timedelta(seconds=seconds),
        "options": {"expire_seconds": max(3600, 2 * int(seconds))},
    }
    for name, task, seconds in (
        ("top up the pool", "runners.top_up", TOP_UP_SECONDS),
        ("take back what went silent", "runners.expire", min(5.0, LEASE_SECONDS / 4)),
        ("follow the clusters", "runners.follow_clusters", 2.0),
        ("settle what was missed", "pipelines.sweep", 15.0),
        ("check the invariants", "runners.doctor", 60.0),
        ("prune what is past retention", "pipelines.prune", 3600.0),
        ("forget expired tokens", "clients.forget_expired_tokens", 3600.0),
    )
}

# Pages.
_https = urlsplit(PUBLIC_URL).scheme == "https"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _https
# Probes and runners come from inside, past whatever ends TLS; a redirect would not take back the token they sent.
SECURE_REDIRECT_EXEMPT = [r"^healthz/$", r"^readyz/$", r"^metrics$", r"^api/v1/(reports|jobs/\d+/report)/$"]
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
BEHIND_PROXY = environment.boolean("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # the pages read the token from themselves
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "taskpipeline.api.problems.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Task Pipeline",
    "DESCRIPTION": (
        "Queue, schedule and distribute staged pipelines of jobs. Smaller number = higher priority, everywhere."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "SERVE_PERMISSIONS": ["clients.permissions.IsClientOrStaff"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "taskpipeline.api.openapi.add_problems",
    ],
}

LOG_FORMAT = environment.choice("LOG_FORMAT", among=("console", "json"), default="console" if DEBUG else "json")
LOGGING = logs.logging_config(json=LOG_FORMAT == "json")
