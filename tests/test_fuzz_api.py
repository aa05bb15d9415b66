"""Every operation of the API's own description, asked what nobody thought of, by three people.

Nothing may fail, and nothing may answer with a status that the description does not name. A few
cases for each operation run with the suite; ``make fuzz`` asks more, with another seed each time.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import status_code_conformance

from accounts.models import Scope, User
from accounts.services import roles
from accounts.services.roles import Role
from accounts.services.tokens import create
from balances.tests import ledger
from config.wsgi import application
from foundation.throttling import PassesWithoutCache
from orgs.models import Membership, OrgRole
from orgs.services import board, partitions
from orgs.services.board import Period
from orgs.tests.companies import make_org
from rates.coins.tests.market import put
from rates.tests.desk import make_house_default, make_pair
from rates.tests.quotes import message, publish

CASES = int(os.environ.get("FUZZ_CASES", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SCOPES = {"customer": [Scope.READ, Scope.EVENTS], "operator": list(Scope)}
# It streams for as long as somebody listens.
ENDLESS = {"/api/v1/live"}


@pytest.fixture
def desk(monkeypatch):
    """One of everything, so that a lucky guess leads somewhere, and no limit on questions."""
    monkeypatch.setattr(PassesWithoutCache, "allow_request", lambda *_: True)
    partitions.make_ahead(timezone.now())
    make_house_default()
    make_pair("BTC_USD")
    publish(message(), age=-3600)
    put("BTC", "ETH")
    make_org("Quay Union", actions=3)
    board.build(Period.ALL)
    chain = ledger.make_chain(head=20)
    ledger.make_history(ledger.make_address(1), ledger.native(chain), {3: ledger.ETHER})


def headers_of(person: str) -> dict[str, str]:
    if person == "anonymous":
        return {}
    user = User.objects.create_user(person, password="x")
    roles.join(user, Role[person.upper()])
    org = make_org("Acme Harbour")
    Membership.objects.create(org=org, user=user, role=OrgRole.OWNER)
    _, secret = create(user=user, name="fuzz", scopes=SCOPES[person], expires_at=None)
    return {"Authorization": f"Bearer {secret}"}


def from_an_address(environ: dict[str, Any], start_response: Any) -> Any:
    """As every server does it: limits are counted by address, and refuse who has none."""
    return application({"REMOTE_ADDR": "127.0.0.1", **environ}, start_response)


def description() -> Any:
    document = SchemaGenerator().get_schema(request=None, public=True)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = from_an_address
    return schema


def complaints(operation: Any, headers: dict[str, str]) -> list[str]:
    found = []

    @seed(SEED)
    @settings(
        max_examples=CASES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(headers=headers)
        try:
            checks = [not_a_server_error, status_code_conformance]
            case.validate_response(answer, checks=checks)
        except AssertionError as problem:
            found.append(f"{problem}")
        except BaseExceptionGroup as problems:
            found.extend(f"{operation.label}: {problem}" for problem in problems.exceptions)

    ask()
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("person", ["anonymous", "customer", "operator"])
def test_nothing_asked_of_the_api_fails_or_is_answered_as_nobody_described(desk, person):
    headers = headers_of(person)
    found = []
    for result in description().get_all_operations():
        operation = result.ok()
        if operation.path not in ENDLESS:
            found += complaints(operation, headers)
    assert found == [], "\n\n".join(found)
