"""Quayside's settings: one file, every difference between machines read from the environment.

Nothing secret has a default outside demo mode, and everything that opens a door is closed until it
is named. ``docs/operations.md`` lists the variables; ``config/checks.py`` refuses bad combinations.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.urls import reverse_lazy
from environs import Env, validate
from whitenoise.compress import Compressor

from config.logs import build_logging

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = re.findall(r"^## (\S+)", (BASE_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)[0]

env = Env()
# What `make up` and `make test` run: simulated upstreams, generated secrets, open doors.
DEMO = env.bool("QUAYSIDE_DEMO", default=False)
DEMO_HOME = env.path("QUAYSIDE_HOME", default=BASE_DIR / ".quayside")
if DEMO and (DEMO_HOME / "env").exists():
    env.read_env(str(DEMO_HOME / "env"), recurse=False)

# --- Core ---------------------------------------------------------------------
# No default: a process without its secret must not start.
SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SITE_NAME = env.str("SITE_NAME", default="Quayside")

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    *(["demo"] if DEMO else []),
    "balances",
    "orgs",
    "rates",
    "rates.coins",
    "accounts",
    "accounts.ethereum",
    "live",
    "foundation",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.headless",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "django_structlog",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "config.tracing.trace_requests",
    "foundation.http_metrics.count_requests",
    "foundation.replica.follow_writers",
    "django.middleware.security.SecurityMiddleware",
    "foundation.permissions_policy.give_up_features",
    "config.static.StaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.probes.answer_probes",
    "foundation.json_bodies.refuse_broken_text",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.request_log.RequestLogMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.middleware.visitor",
]

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
                "foundation.context.product",
            ],
        },
    },
]

# --- Data ---------------------------------------------------------------------
DATABASES = {"default": env.dj_db_url("DATABASE_URL")}
if env.str("DATABASE_REPLICA_URL", default=""):
    # Tests of both share one database: what is written to the one appears in the other.
    DATABASES["replica"] = {**env.dj_db_url("DATABASE_REPLICA_URL"), "TEST": {"MIRROR": "default"}}
    DATABASES["replica"].setdefault("OPTIONS", {})["connect_timeout"] = 2
    # A reader waits no longer than this for one statement; PgBouncer lets it pass unheeded.
    DATABASES["replica"]["OPTIONS"].setdefault("options", "-c statement_timeout=15s")
# Milliseconds from which a statement is logged, without its values.
SLOW_STATEMENT_MS = env.int("SLOW_STATEMENT_MS", default=250)
DATABASE_ROUTERS = ["foundation.replica.Router"]
# Seconds: how old an answer of the replica may be, and how long who wrote reads the primary.
REPLICA_MAX_LAG = env.int("REPLICA_MAX_LAG", default=5)
REPLICA_PIN_SECONDS = env.int("REPLICA_PIN_SECONDS", default=10)
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=10)
# Seconds, and milliseconds without a receipt: a machine that is lost is noticed by the next
# statement instead of after a quarter of an hour.
_NOTICES_LOSS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
for _facts in DATABASES.values():
    if _facts["ENGINE"] == "django.db.backends.postgresql":
        _facts["ENGINE"] = "foundation.postgresql"
    _facts["CONN_HEALTH_CHECKS"] = True
    _facts["OPTIONS"] = {**_NOTICES_LOSS, **_facts.get("OPTIONS", {})}
    # Behind PgBouncer a cursor would be looked for on another connection than it was opened on.
    _facts["DISABLE_SERVER_SIDE_CURSORS"] = True
    if DATABASE_POOL_SIZE:
        # Under ASGI a persistent connection per thread would grow without bound; a pool does not.
        _facts["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": 5,
        }
# Past a proxy that hands connections around (PgBouncer): followers of chains hold a lock by theirs.
DATABASE_DIRECT = (
    {**env.dj_db_url("DATABASE_DIRECT_URL"), "ENGINE": DATABASES["default"]["ENGINE"]}
    if env.str("DATABASE_DIRECT_URL", default="")
    else {}
)

REDIS_URL = env.str("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "foundation.valkey_cache.ValkeyCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
    },
    "sessions": {
        "BACKEND": "foundation.valkey_cache.ValkeyCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "session",
        # So long may a session live on that was ended while Valkey was away.
        "OPTIONS": {"longest": 300},
    },
}
# Only rare targeted events travel by channel layer; ticks go through live.hub.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "layer"},
    }
}

# --- Sign-in, sessions, cookies -------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("balances:overview")
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"{SITE_NAME}: "
ACCOUNT_LOGOUT_REDIRECT_URL = reverse_lazy("rates:board")
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEMO else "https"
ACCOUNT_PREVENT_ENUMERATION = True

# Linking, unlinking and second factors need a proof of presence that is minutes old.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)
HEADLESS_CLIENTS = ("browser",)
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = SITE_NAME
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEMO  # browsers themselves except localhost
CSRF_FAILURE_VIEW = "foundation.json_views.csrf_failure"

# --- Wallet sign-in ---------------------------------------------------------------
# What a message must say, byte for byte, whatever Host a request names. All empty: switched off.
SIWE_DOMAIN = env.str("SIWE_DOMAIN", default="")
SIWE_URI = env.str("SIWE_URI", default="")
SIWE_CHAINS: list[int] = env.list("SIWE_CHAINS", subcast=int, default=[])
# Chain id to a node's address, for contract wallets. Empty: they cannot sign in.
SIWE_SMART_WALLETS: dict[int, str] = env.dict("SIWE_SMART_WALLETS", subcast_keys=int, default={})
SOCIALACCOUNT_ADAPTER = "accounts.ethereum.adapter.Adapter"
SOCIALACCOUNT_AUTO_SIGNUP = True
SOCIALACCOUNT_EMAIL_REQUIRED = False  # a wallet has no address
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # an e-mail never opens a user made by another way in
# allauth's own limits go on beside these.
ACCOUNT_RATE_LIMITS = {
    "wallet_nonce": env.str("WALLET_NONCE_RATE", default="30/m/ip"),
    "wallet_verify": env.str("WALLET_VERIFY_RATE", default="20/m/ip"),
    "wallet_account": env.str("WALLET_ACCOUNT_RATE", default="10/m/user"),
}

# The session row is the truth; the cache keeps a reconnecting crowd off the database.
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False  # the page's modules send it back in a header
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = env.bool(
    "HTTPS", default=not DEMO
)
if SECURE_SSL_REDIRECT:
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    # Probes come from inside, over plain HTTP.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^version$"]
if env.bool("BEHIND_PROXY", default=False):
    # Only a proxy that overwrites these headers may stand in front; deploy/caddy does.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_POLICY_REPORT_URI = env.str("CONTENT_POLICY_REPORT_URI", default="")
CONTENT_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
        **({"report-uri": [CONTENT_POLICY_REPORT_URI]} if CONTENT_POLICY_REPORT_URI else {}),
    }
}
# To try a change of it on real pages: browsers tell what they would refuse, and refuse nothing.
CONTENT_POLICY_REPORT_ONLY = env.bool("CONTENT_POLICY_REPORT_ONLY", default=False)
if CONTENT_POLICY_REPORT_ONLY:
    CONTENT_SECURITY_POLICY_REPORT_ONLY = CONTENT_POLICY
else:
    CONTENT_SECURITY_POLICY = CONTENT_POLICY

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# --- E-mail ---------------------------------------------------------------------
# Sending is a row in the transaction of what the mail tells of; a task hands it to the server.
EMAIL_BACKEND = "foundation.mail.OutboxBackend"
MAIL_DELIVERY_BACKEND = env.str(
    "EMAIL_BACKEND",
    default=f"django.core.mail.backends.{'console' if DEMO else 'smtp'}.EmailBackend",
)
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="webmaster@localhost")

# --- Language, time ---------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# --- Static files -----------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / "staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.StaticStorage"},
}

# The originals are never asked for: pages name the hashed copies.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
# Source maps are read by developers only; compressing them would take most of the time.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")

# --- API --------------------------------------------------------------------------
REST_FRAMEWORK = {
    # Closed by default; a public view has to say so.
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.Scoped",
    ],
    # The first one names the challenge of a 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "foundation.throttling.AnonThrottle",
        "foundation.throttling.UserThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "anon": env.str("THROTTLE_ANON", default="600/min"),
        "user": env.str("THROTTLE_USER", default="1200/min"),
        # Calls of a key or token; each brings up to 10,000 events.
        "events": env.str("THROTTLE_EVENTS", default="6000/min"),
    },
    "NUM_PROXIES": TRUSTED_PROXIES,
    "EXCEPTION_HANDLER": "foundation.api_errors.handle",
    "COERCE_DECIMAL_TO_STRING": True,
    "URL_FORMAT_OVERRIDE": "format",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Quayside",
    "DESCRIPTION": "Rates, coins, balances, organisations and their events: all that pages show.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "accounts.ethereum.openapi.describe",
        "foundation.api_schema.describe_refusals",
        "foundation.api_schema.group_by_subject",
    ],
}
# The doors of the replaced systems answer without credentials only where they are named here.
OPEN_ENDPOINTS: list[str] = env.list(
    "QUAYSIDE_OPEN_ENDPOINTS", default=["events", "metrics"] if DEMO else []
)

# --- Background work ----------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # an outage of any length ends by itself
# Every task may run twice; one whose acknowledgement cannot arrive any more would anyway.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600, "global_keyprefix": "celery:"}
CELERY_TASK_IGNORE_RESULT = True  # nobody reads results; state lives in the database
CELERY_TASK_TIME_LIMIT = 120  # a task that needs longer must be split
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "rates.*": {"queue": "prices"},
    # What somebody waits for goes ahead of what fills in history.
    "balances.read_at_block": {"queue": "rpc.hot"},
    "balances.token_metadata": {"queue": "rpc.hot"},
    "balances.sweep_native": {"queue": "rpc.backfill"},
    "balances.backfill_dispatch": {"queue": "rpc.backfill"},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(
    env.path("BEAT_SCHEDULE", default=BASE_DIR / ".quayside" / "beat")
)
# The timetable is code: reviewed, versioned, the same on every machine. What comes once an hour or
# less often stands at a time of the clock (UTC): an interval would begin anew with each beat.
CELERY_BEAT_SCHEDULE = {
    "store-closed-candles": {
        "task": "rates.store_closed_candles",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 9},  # a late run is worth less than the next one
    },
    "keep-candle-partitions": {
        "task": "rates.keep_candle_partitions",
        "schedule": crontab(hour="*/6", minute="10"),
        "options": {"expires": 3600},
    },
    "deliver-mail": {
        "task": "foundation.deliver_mail",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 14},
    },
    "purge-expired-sign-ins": {
        "task": "accounts.purge_expired",
        "schedule": crontab(minute="5"),
        "options": {"expires": 1800},
    },
    # Does nothing once there is a list.
    "fetch-first-coins": {
        "task": "rates.coins.fetch_first",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 9},
    },
    # Apart from each other; within one, a slow or dead source never delays those that answer.
    "refresh-coin-prices": {
        "task": "rates.coins.refresh_prices",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 50},
    },
    "refresh-coin-ranks": {
        "task": "rates.coins.refresh_ranks",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 50},
    },
    # One question to the database once the points of the desk reach back for a day.
    "seed-coin-history": {
        "task": "rates.coins.seed_history",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 300},
    },
    "deliver-webhooks": {
        "task": "rates.coins.deliver_webhooks",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 4},
    },
    "read-coin-plans": {
        "task": "rates.coins.read_plans",
        "schedule": crontab(hour="2", minute="10"),
        "options": {"expires": 3600},
    },
    "forget-old-coins": {
        "task": "rates.coins.forget_old",
        "schedule": crontab(hour="3", minute="10"),
        "options": {"expires": 3600},
    },
    "keep-event-partitions": {
        "task": "orgs.keep_event_partitions",
        "schedule": crontab(hour="*/6", minute="20"),
        "options": {"expires": 3600},
    },
    "count-own-actions": {
        "task": "orgs.count_own_actions",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 4},
    },
    "roll-today": {
        "task": "orgs.roll_today",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 50},
    },
    "roll-open-days": {
        "task": "orgs.roll_open_days",
        "schedule": crontab(minute="15"),
        "options": {"expires": 1800},
    },
    # Looks whether one is due; most turns end there.
    "build-boards": {
        "task": "orgs.build_boards",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 14},
    },
    # In the first hour of a day (UTC), or not at all: it notes what the day began with.
    "note-mail-days": {
        "task": "orgs.note_mail_days",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 540},
    },
    "count-movers": {
        "task": "orgs.count_movers",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 300},
    },
    "forget-invitations": {
        "task": "orgs.forget_invitations",
        "schedule": crontab(hour="3", minute="20"),
        "options": {"expires": 3600},
    },
    "sync-pair-metadata": {
        "task": "rates.sync_pair_metadata",
        "schedule": crontab(hour="4", minute="10"),
        "options": {"expires": 3600},
    },
    "probe-endpoints": {
        "task": "balances.probe_endpoints",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 59},
    },
    "probe-endpoints-in-full": {
        "task": "balances.probe_endpoints",
        "schedule": crontab(minute="25"),
        "kwargs": {"full": True},
        "options": {"expires": 600},
    },
    "check-head-age": {
        "task": "balances.check_head_age",
        "schedule": timedelta(seconds=10),
        "options": {"expires": 9},
    },
    "finalize-blocks": {
        "task": "balances.finalize",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 59},
    },
    "sweep-native": {
        "task": "balances.sweep_native",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 29},
    },
    "do-backfill": {
        "task": "balances.backfill_dispatch",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 4},
    },
    "name-tokens": {
        "task": "balances.token_metadata",
        "schedule": timedelta(seconds=15),
        "options": {"expires": 14},
    },
    "reconcile-balances": {
        "task": "balances.reconcile_sample",
        "schedule": crontab(minute="35"),
        "options": {"expires": 1800},
    },
    "prune-chains": {
        "task": "balances.prune",
        "schedule": crontab(hour="3", minute="40"),
        "options": {"expires": 3600},
    },
}

# --- Live pushes ----------------------------------------------------------------------
# 0 flushes on every change; 0.05 to 0.1 is right above about 2,000 connections a process.
LIVE_WINDOW_SECONDS = env.float("LIVE_WINDOW_SECONDS", default=0.0)
LIVE_RAW_WRITES = env.bool("LIVE_RAW_WRITES", default=True)
LIVE_MAX_CONNECTIONS_PER_ADDRESS = env.int("LIVE_MAX_CONNECTIONS_PER_ADDRESS", default=100)
LIVE_MAX_CONNECTIONS_PER_USER = env.int("LIVE_MAX_CONNECTIONS_PER_USER", default=50)

# --- Rates ------------------------------------------------------------------------------
SOURCES = env.str(
    "QUAYSIDE_SOURCES", default="live", validate=validate.OneOf(["live", "simulated"])
)
KRAKEN_WS_URL = env.str("KRAKEN_WS_URL", default="wss://ws.kraken.com/v2")
KRAKEN_REST_URL = env.str("KRAKEN_REST_URL", default="https://api.kraken.com")
# Top coins. Keys stand in the variables that the admin's coin sources name.
COIN_SOURCE_URLS = {
    "coinmarketcap": env.str("COINMARKETCAP_URL", default="https://pro-api.coinmarketcap.com"),
    "cryptocompare": env.str("CRYPTOCOMPARE_URL", default="https://min-api.cryptocompare.com"),
    "coingecko": env.str("COINGECKO_URL", default="https://api.coingecko.com"),
}
# A loopback upstream is a simulator whatever QUAYSIDE_SOURCES says; pages must never hide that.
SIMULATED = SOURCES == "simulated" or any(
    urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
    for url in (KRAKEN_WS_URL, KRAKEN_REST_URL, *COIN_SOURCE_URLS.values())
)
# Networks that are not public and may be called all the same, over plain HTTP too.
WEBHOOK_PRIVATE_NETWORKS: list[IPv4Network | IPv6Network] = [
    ip_network(text) for text in env.list("WEBHOOK_PRIVATE_NETWORKS", subcast=str, default=[])
]
# Touched each second by a feed that is alive, for its health check; empty is off.
HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", default="")
RATES_FOUR_EYES = env.str("RATES_FOUR_EYES", default="off")
RATES_FOUR_EYES_THRESHOLD_BPS = env.int("RATES_FOUR_EYES_THRESHOLD_BPS", default=50)
RATES_WARN_CHANGE_BPS = env.int("RATES_WARN_CHANGE_BPS", default=25)
RATES_CANDLE_RETENTION_MONTHS = env.int("RATES_CANDLE_RETENTION_MONTHS", default=24)

# --- Chains -----------------------------------------------------------------------------
# A JSON list: [{"id": 1, "name": "Ethereum", "symbol": "ETH", "rpc": ["https://..."], "ws": "wss://...",
# "block_time_ms": 12000, "reorg_depth": 64, "multicall": "0x...", "explorer": "https://...",
# "tokens": {"0x...": "USDC"}}]: contracts that are what they say, and how rates call their price.
# $NAME inside an address is replaced from the environment, so that keys stand in one place.
CHAINS: list[dict[str, object]] = list(env.json("QUAYSIDE_CHAINS", default=[]))

# --- Logs ---------------------------------------------------------------------------------
LOG_FORMAT = env.str(
    "LOG_FORMAT",
    default="console" if DEMO else "json",
    validate=validate.OneOf(["console", "json"]),
)
# Where spans go (a collector, without a path), which part of all traces, and where errors go.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="").rstrip("/")
TRACES_SAMPLE_RATIO = env.float("TRACES_SAMPLE_RATIO", default=1.0)
SENTRY_DSN = env.str("SENTRY_DSN", default="")
LOGGING = build_logging(format=LOG_FORMAT, level=env.str("LOG_LEVEL", default="INFO"))
# One line when a request or a task has ended is enough.
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = (
    logging.DEBUG
)
# It would believe any X-Forwarded-For.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_CELERY_ENABLED = True
