"""Taking one's data away: everything is in it, nothing that opens a door, only after a proof."""

import json

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.urls import reverse

from accounts.models import Scope, SecurityEvent, User
from accounts.services.tokens import create
from accounts.signals import user_exported
from accounts.tests.people import CHECKSUMMED, make_user, make_wallet, prove, sign_in

pytestmark = pytest.mark.django_db
EXPORT = "accounts:export"


@pytest.fixture
def ann():
    return make_user("ann")


@pytest.fixture
def proved(ann):
    client = sign_in(ann)
    prove(client)
    return client


def test_a_download_needs_a_recent_proof(ann):
    answer = sign_in(ann).post(reverse(EXPORT))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert not SecurityEvent.objects.filter(kind="data_exported").exists()


def test_after_the_proof_the_download_that_was_asked_for_comes(ann):
    client = sign_in(ann)
    asked = client.post(reverse(EXPORT))
    answer = client.post(asked["Location"], {"password": "correct horse battery staple"})
    assert json.loads(answer.content)["profile"]["username"] == "ann"


def test_looking_at_the_page_downloads_nothing(proved):
    assert proved.get(reverse(EXPORT))["Content-Type"].startswith("text/html")


def test_a_download_holds_every_section(ann, proved):
    make_wallet(ann)
    create(user=ann, name="bot", scopes=[Scope.READ], expires_at=None)
    answer = proved.post(reverse(EXPORT))
    assert 'attachment; filename="quayside-account-' in answer["Content-Disposition"]
    data = json.loads(answer.content)
    assert data["emails"] == [{"email": "ann@example.com", "verified": True, "primary": True}]
    assert data["wallets"][0]["address"] == CHECKSUMMED
    assert data["api_tokens"][0]["name"] == "bot"
    assert data["sessions"][0]["ip"] == "127.0.0.1"
    assert data["security_log"][-1]["kind"] == "data_exported"


def test_nothing_in_a_download_opens_a_door(ann, proved):
    secrets = [TOTP.activate(ann, "SECRETSECRET").instance.data["secret"]]
    secrets += RecoveryCodes.activate(ann).get_unused_codes()
    token, secret = create(user=ann, name="bot", scopes=[Scope.READ], expires_at=None)
    secrets += [secret, token.digest, ann.password, proved.session.session_key]
    text = proved.post(reverse(EXPORT)).text
    assert [found for found in secrets if found in text] == []


def test_a_download_holds_nothing_of_somebody_else(proved):
    make_wallet(make_user("bea"))
    text = proved.post(reverse(EXPORT)).text
    assert "bea" not in text
    assert CHECKSUMMED not in text


def test_other_apps_add_their_sections(ann, proved):
    def give(user_id: int, **kwargs: object) -> dict[str, object]:
        return {"watches": [user_id]}

    user_exported.connect(give, sender=User)
    try:
        assert json.loads(proved.post(reverse(EXPORT)).content)["watches"] == [ann.pk]
    finally:
        user_exported.disconnect(give, sender=User)
