"""What every answer tells browsers, in the settings of production."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from foundation.permissions_policy import POLICY
from tests.test_settings import PRODUCTION

# Neither database nor Valkey answers, so only what needs neither is asked.
ASK = """
import json, django
django.setup()
from django.conf import settings
from django.test import Client
here = {"Host": "desk.example.com"}
safe = Client(headers=here | {"X-Forwarded-Proto": "https"}).get("/version")
moved = Client(headers=here).get("/status")
names = [name for name in dir(settings) if name.startswith(("SESSION_COOKIE", "CSRF_COOKIE"))]
cookies = {name: getattr(settings, name) for name in names}
told = [dict(safe.headers), moved.status_code, moved.headers.get("Location"), cookies]
print(json.dumps(told, default=str))
"""


def ask(**changes):
    environment = {
        **PRODUCTION,
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **changes,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def told():
    return ask()


def test_plain_http_is_sent_to_https_and_remembered_for_a_year(told):
    headers, status, location, _ = told
    assert (status, location) == (301, "https://desk.example.com/status")
    year = "max-age=31536000; includeSubDomains; preload"
    assert headers["Strict-Transport-Security"] == year


def test_every_answer_closes_what_it_does_not_need(told):
    headers = told[0]
    assert headers["Permissions-Policy"] == POLICY
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_no_script_or_style_is_taken_from_elsewhere_or_from_the_page_itself(told):
    policy = told[0]["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_cookies_travel_by_https_only_and_stay_on_our_site(told):
    cookies = told[3]
    assert cookies["SESSION_COOKIE_SECURE"] is cookies["CSRF_COOKIE_SECURE"] is True
    assert cookies["SESSION_COOKIE_HTTPONLY"] is True
    assert cookies["SESSION_COOKIE_SAMESITE"] == cookies["CSRF_COOKIE_SAMESITE"] == "Lax"


def test_a_new_policy_can_be_tried_without_refusing_anything():
    headers = ask(
        CONTENT_POLICY_REPORT_ONLY="1", CONTENT_POLICY_REPORT_URI="https://reports.example.com/csp"
    )[0]
    assert "Content-Security-Policy" not in headers
    policy = headers["Content-Security-Policy-Report-Only"]
    assert "report-uri https://reports.example.com/csp" in policy
