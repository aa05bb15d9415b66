"""Many at once, on real connections."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection

from accounts.ethereum.tests.desk import KeyWallet, Visitor, account_of, link, render
from accounts.models import User
from accounts.services.wallets import unlink

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(jobs):
    """Run all jobs at the same moment, each on a connection of its own; returns their answers."""
    barrier = threading.Barrier(len(jobs))

    def run(job):
        try:
            barrier.wait(timeout=60)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def prepared(visitor, wallet, process="login"):
    text = render(visitor.fields(wallet, process))
    signature = wallet.sign(text)
    return lambda: visitor.post(text, signature, process).status_code


def test_sixty_first_sign_ins_of_ten_wallets_make_ten_users():
    wallets = [KeyWallet() for _ in range(10)] * 6
    visitors = [Visitor(address=f"10.0.0.{number}") for number in range(60)]
    answers = at_once([prepared(*pair) for pair in zip(visitors, wallets, strict=True)])
    assert answers == [200] * 60
    assert (User.objects.count(), SocialAccount.objects.count()) == (10, 10)


def test_signing_in_while_the_wallet_is_removed_is_never_a_deadlock():
    for number in range(10):
        wallet, other = KeyWallet(), KeyWallet()
        visitor = Visitor(address=f"10.0.1.{number}")
        user = visitor.sign_in(wallet)
        link(visitor, wallet, other)
        row = account_of(other).pk
        entering = prepared(Visitor(address=f"10.0.2.{number}"), other)
        entered, _ = at_once([entering, partial(unlink, user=user, wallet_id=row)])
        # It came before the removal, or after it, as somebody new. 400 is Django's answer to a
        # session that the removal ended before its cookie was out.
        assert entered in (200, 400)


def test_one_nonce_by_eight_threads_in_twenty_rounds_succeeds_twenty_times():
    answers = []
    for number in range(20):
        visitor = Visitor(address=f"10.0.0.{number}")
        text = render(visitor.fields(wallet := KeyWallet()))
        signature = wallet.sign(text)
        cookie = visitor.session_key

        def job(text=text, signature=signature, cookie=cookie, number=number):
            twin = Visitor(address=f"10.0.0.{number}")
            twin.client.cookies["sessionid"] = cookie
            return twin.post(text, signature).status_code

        answers += at_once([job] * 8)
    assert (answers.count(200), answers.count(401)) == (20, 140)
