"""Operators' dates are UTC, as the forms and histories say, wherever the operator lives."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from rates.models import SpreadRule
from rates.tests.desk import make_pair

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    user = User.objects.create_superuser("operator")
    User.objects.filter(pk=user.pk).update(time_zone="America/New_York")
    client = Client()
    client.force_login(user)
    return client


def test_a_naive_date_of_an_operator_abroad_is_utc(operator):
    make_pair("BTC_USD")
    wanted = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0, tzinfo=None)
    body = {"unit": "bps", "buy": "50", "sell": "-50", "reason": "r"}
    body["effective_from"] = wanted.isoformat()
    url = "/api/v1/rates/BTC_USD/spread"
    answer = operator.put(url, json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert SpreadRule.objects.latest("version").effective_from == wanted.replace(tzinfo=UTC)
    assert answer.json()["effective_from"].endswith("Z")


def test_the_admin_tells_times_in_utc(operator):
    pair = make_pair("BTC_USD")
    body = json.dumps({"unit": "bps", "buy": "50", "sell": "-50", "reason": "r"})
    operator.put("/api/v1/rates/BTC_USD/spread", body, content_type="application/json")
    now = timezone.now()
    page = operator.get(f"/admin/rates/pair/{pair.pk}/spread/history/")
    rule = SpreadRule.objects.latest("version")
    assert f"{rule.created_at:%H:%M}" in page.text
    assert abs(now - rule.created_at) < timedelta(minutes=5)


@pytest.mark.parametrize("cursor", ["cD1hYmM%3D", "cD0lMDA=", "bj0x", "%00"])
def test_a_cursor_that_says_nothing_is_no_page(operator, cursor):
    make_pair("BTC_USD")
    answer = operator.get(f"/api/v1/rates/BTC_USD/spread/history?cursor={cursor}")
    assert answer.status_code in (200, 404)


def test_a_reason_may_not_turn_its_line_around(operator):
    make_pair("BTC_USD")
    body = {"unit": "bps", "buy": "50", "sell": "-50", "reason": "x\u202e"}
    url = "/api/v1/rates/BTC_USD/spread"
    answer = operator.put(url, json.dumps(body), content_type="application/json")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["reason"])
