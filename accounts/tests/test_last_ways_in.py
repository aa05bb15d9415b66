"""Nobody is left without a way back, and no new way in is made without a proof."""

from __future__ import annotations

import json
import time

import pytest
from allauth.account.models import EmailAddress
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import transaction
from django.urls import reverse

from accounts.ethereum.tests.desk import KeyWallet, Visitor
from accounts.models import User
from accounts.services.wallets import LastCredential, require_other_way_in
from accounts.tests.people import CHECKSUMMED, make_user, make_wallet, prove, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another correct horse battery"
CHANGE = "/_allauth/browser/v1/account/password/change"


@pytest.fixture
def stolen():
    """The session of somebody who has only a wallet, an hour after signing in with it."""
    visitor = Visitor()
    user = visitor.sign_in(KeyWallet())
    session = visitor.client.session
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - 3600
    session.save()
    return visitor.client, user


def test_a_first_password_asks_for_a_proof(stolen):
    client, user = stolen
    answer = client.post(reverse("account_set_password"), {"password1": NEW, "password2": NEW})
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("accounts:confirm"))
    assert not User.objects.get(pk=user.pk).has_usable_password()


def test_a_first_password_by_the_programs_door_does_too(stolen):
    client, user = stolen
    body = json.dumps({"new_password": NEW})
    answer = client.post(CHANGE, body, content_type="application/json")
    assert answer.status_code == 401
    assert not User.objects.get(pk=user.pk).has_usable_password()


def test_with_a_proof_the_first_password_is_set():
    visitor, wallet = Visitor(), KeyWallet()
    user = visitor.sign_in(wallet)
    assert visitor.prove(wallet, "reauth").status_code == 200
    visitor.client.post(reverse("account_set_password"), {"password1": NEW, "password2": NEW})
    assert User.objects.get(pk=user.pk).has_usable_password()


def remove_address(client, email):
    return client.post(reverse("account_email"), {"action_remove": "", "email": email})


def test_the_only_address_of_somebody_with_a_password_stays():
    ann = make_user()
    client = sign_in(ann)
    prove(client)
    remove_address(client, ann.email)
    assert EmailAddress.objects.filter(user=ann, verified=True).exists()


def test_with_a_wallet_the_address_may_go():
    ann = make_user()
    make_wallet(ann)
    client = sign_in(ann)
    prove(client)
    remove_address(client, ann.email)
    assert not EmailAddress.objects.filter(user=ann).exists()


def test_a_contract_that_cannot_be_asked_any_more_is_no_way_in(settings):
    ann = make_user()
    key = make_wallet(ann)
    contract = make_wallet(ann, "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
    contract.extra_data |= {"kind": "contract", "chain_id": 10}
    contract.save()
    EmailAddress.objects.all().delete()
    with transaction.atomic():
        settings.SIWE_SMART_WALLETS = {10: "http://127.0.0.1:1"}
        require_other_way_in(key)
        settings.SIWE_SMART_WALLETS = {}
        with pytest.raises(LastCredential):
            require_other_way_in(key)
    assert key.uid == CHECKSUMMED


def test_an_ended_session_does_not_live_on_in_the_cache_for_long():
    client = sign_in(make_user())
    key = client.cookies["sessionid"].value
    cache = caches["sessions"]
    name = cache.make_key(f"django.contrib.sessions.cached_db{key}")
    from foundation import valkey

    assert Session.objects.filter(pk=key).exists()
    assert 0 < valkey.client().ttl(name) <= 300
