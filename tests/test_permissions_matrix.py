"""Who gets what at every address. The table beside this file is the promise.

A row is a method, an address and one answer per column: a status, or ``in`` for "sign in first".
Tokens belong to an operator with all of an operator's rights, so that what they are refused is for
want of scope alone. An address without a row fails, as does a row that no address answers to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, resolve

from accounts.models import ApiToken, Scope, User
from accounts.services import roles, tokens
from accounts.services.roles import Role
from config import asgi
from orgs.tests.companies import make_org
from rates.coins.tests.market import put
from rates.tests.desk import make_house_default, make_pair
from rates.tests.quotes import message, publish

TABLE = Path(__file__).with_name("permissions_matrix.txt")
PEOPLE = ("anonymous", "customer", "operator", "manager", "administrator", "superuser")
COLUMNS = (*PEOPLE, *(f"token:{scope}" for scope in Scope))
STAFF = ("operator", "administrator", "superuser")
SIGN_IN = re.compile(r"/(accounts|admin)/login/(\?|$)")
COINS = {"/api/v1/coins", "/api/v1/coins.csv", "/coins.csv"}
# Answered before Django: these have tests of their own.
LANES = {
    "/api/v1/rates",
    "/api/v1/live",
    "/api/metrics/orgs-stream",
    "/ws/live",
    "/v1/events/",
    "/v1/domain/",
    "/domains/",
    "/events/",
}

IDS = ("pair", "user", "group", "token", "none")
# allauth has them, an address in front of them hides them.
SWITCHED_OFF = {
    f"_allauth/browser/v1/{rest}"
    for rest in ("account/phone", "auth/phone/verify", "auth/phone/verify/resend")
}


@dataclass(frozen=True)
class Row:
    method: str
    address: str
    expected: tuple[str, ...]

    def path(self, ids: dict[str, int]) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: str(ids[found[1]]), self.address)


def rows() -> list[Row]:
    lines = [line.split() for line in TABLE.read_text().splitlines()]
    return [Row(line[0], line[1], tuple(line[2:])) for line in lines if line and line[0] != "#"]


def section(row: Row) -> str:
    return row.address.split("/")[1] or "home"


def routes(patterns=None, before=""):
    """Every route, spelled as a resolved address names it."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern).removeprefix("^" if before else "")
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from routes(pattern.url_patterns, route)


@pytest.fixture
def people():
    """Column -> the headers that make a request theirs."""
    users = {
        name: User.objects.create_user(name, password="x", is_staff=name in STAFF)
        for name in PEOPLE[1:]
    }
    for name, role in zip(PEOPLE[1:5], Role, strict=True):
        roles.join(users[name], role)
    User.objects.filter(username="superuser").update(is_superuser=True)
    headers = {"anonymous": {}} | {name: _cookie(user) for name, user in users.items()}
    for scope in Scope:
        secret = tokens.create(user=users["operator"], name=scope, scopes=[scope], expires_at=None)[
            1
        ]
        headers[f"token:{scope}"] = {"Authorization": f"Bearer {secret}"}
    return headers


def _cookie(user):
    client = Client()
    client.force_login(user)
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"}


@pytest.fixture
def ids(people):
    """What the addresses name: rows that exist, and 0 for those that nobody has."""
    pair = make_pair("BTC_USD")
    make_house_default()
    publish(message(), age=-3600)  # it stays fresh for as long as this takes
    put("BTC")
    # Nobody's of the table: the desk sees it, others do not.
    make_org("Quay Union")
    return {
        "pair": pair.pk,
        "user": User.objects.get(username="customer").pk,
        "group": Group.objects.get(name=Role.CUSTOMER).pk,
        "token": ApiToken.objects.get(scopes=[Scope.READ]).pk,
        "none": 0,
    }


def answer(row, path, headers):
    """What comes back, after which it never happened."""
    with transaction.atomic():
        response = Client(raise_request_exception=False).generic(
            row.method, path, b"{}", content_type="application/json", headers=headers
        )
        transaction.set_rollback(True)
    if response.status_code == 302 and SIGN_IN.search(response["Location"]):
        return "in"
    return str(response.status_code)


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted({section(row) for row in rows()}))
def test_everybody_gets_what_the_table_says_and_nothing_else(name, people, ids):
    wrong = []
    for row in (row for row in rows() if section(row) == name):
        got = tuple(answer(row, row.path(ids), people[column]) for column in COLUMNS)
        if got != row.expected:
            wrong.append(f"{row.method} {row.address} {' '.join(got)}")
    assert wrong == []


def test_every_address_has_a_row():
    named = {resolve(row.path(dict.fromkeys(IDS, 1))).route for row in rows()}
    assert set(routes()) - named - SWITCHED_OFF == set()


def test_every_row_has_every_column():
    assert {len(row.expected) for row in rows()} == {len(COLUMNS)}


def test_nothing_new_is_answered_before_django():
    assert {*asgi.FAST_LANE, *asgi.FAST_PREFIXES, *asgi.WEBSOCKETS} == LANES | COINS


def test_no_answer_in_the_table_is_a_fault_of_ours():
    assert [row for row in rows() if "500" in row.expected] == []
