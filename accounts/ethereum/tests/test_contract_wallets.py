"""Contract wallets (EIP-1271, EIP-6492) on a real chain: signing in, linking, leaving."""

from __future__ import annotations

import json

import pytest
from allauth.socialaccount.models import SocialAccount
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.test import AsyncClient
from django.urls import reverse

from accounts.ethereum.tests.contracts import (
    ContractWallet,
    CounterfactualWallet,
    FakeNode,
    owned,
    result,
    send,
)
from accounts.ethereum.tests.desk import (
    BASE,
    KeyWallet,
    Visitor,
    burned,
    link,
    refuse,
    render,
)
from accounts.models import User
from accounts.services import wallets

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(anvil, settings):
    """The chain with id 1, asked for contract wallets."""
    settings.SIWE_SMART_WALLETS = {anvil.chain_id: anvil.url}
    return anvil


def test_a_deployed_wallet_signs_in_as_itself_on_its_chain(chain, visitor):
    wallet = owned(chain)
    user = visitor.sign_in(wallet)
    account = SocialAccount.objects.get()
    assert (account.user, account.uid) == (user, f"eip155:1:{wallet.address}")
    expected = {"address": wallet.address, "chain_id": 1, "kind": "contract"}
    assert account.extra_data == expected
    me = visitor.client.get(f"{BASE}me").json()
    assert (me["address"], me["chainId"]) == (wallet.address, 1)


def test_it_signs_in_again_as_the_same_user(chain, visitor):
    wallet = owned(chain)
    assert visitor.sign_in(wallet) == Visitor().sign_in(wallet)
    assert User.objects.count() == 1


def test_an_undeployed_wallet_signs_in_and_stays_undeployed(chain, visitor):
    wallet = CounterfactualWallet(chain)
    visitor.sign_in(wallet)
    assert SocialAccount.objects.get().uid == f"eip155:1:{wallet.address}"
    assert wallet.code == "0x"


def test_once_deployed_it_is_the_same_user_with_either_signature(chain, visitor):
    wallet = CounterfactualWallet(chain)
    user = visitor.sign_in(wallet)
    wallet.deploy()
    assert Visitor().sign_in(wallet) == user
    assert Visitor().sign_in(ContractWallet(wallet.address, wallet.owner)) == user


def test_the_owner_and_the_wallet_are_two_identities(chain, visitor):
    wallet = owned(chain)
    assert visitor.sign_in(wallet) != Visitor().sign_in(wallet.owner)


def test_one_address_on_two_chains_is_two_identities(chain, other_anvil, settings, visitor):
    settings.SIWE_SMART_WALLETS[other_anvil.chain_id] = other_anvil.url
    wallet = owned(chain)
    other_anvil.ask(
        "anvil_setCode", wallet.address, chain.ask("eth_getCode", wallet.address, "latest")
    )
    user = visitor.sign_in(wallet)
    answer = Visitor().prove(wallet, chainId=other_anvil.chain_id)
    assert answer.status_code == 200
    assert answer.json()["user"]["id"] != user.pk


def test_an_account_with_code_whose_key_signs_is_its_key(chain, visitor, wallet):
    """As of EIP-7702: the code is never asked."""
    chain.place(chain.deploy("Reverts"), wallet.address)
    visitor.sign_in(wallet)
    assert SocialAccount.objects.get().uid == wallet.address


def test_a_contract_joins_an_account_proves_presence_and_leaves(chain, visitor, wallet):
    contract = owned(chain)
    user = visitor.sign_in(wallet)
    link(visitor, wallet, contract)
    guest = Visitor()
    assert guest.sign_in(contract) == user
    assert guest.prove(contract, "reauth").status_code == 200
    row = next(row for row in wallets.wallets_of(user) if row.kind == "contract")
    wallets.rename(user=user, wallet_id=row.id, label="Safe")
    assert "contract, chain 1" in visitor.client.get(reverse("accounts:page")).content.decode()
    assert [row.label for row in wallets.wallets_of(user)] == ["", "Safe"]


@pytest.mark.django_db(transaction=True)
def test_unlinking_a_contract_ends_its_sessions_only(chain, visitor, wallet):
    contract = owned(chain)
    user = visitor.sign_in(wallet)
    link(visitor, wallet, contract)
    guest = Visitor()
    guest.sign_in(contract)
    row = SocialAccount.objects.get(uid=f"eip155:1:{contract.address}")
    wallets.unlink(user=user, wallet_id=row.pk)
    assert (guest.signed_in, visitor.signed_in) == (False, True)


def test_a_key_signs_in_without_asking_any_node(settings, visitor, wallet):
    with FakeNode(result("0x00")) as node:
        settings.SIWE_SMART_WALLETS = {1: node.url}
        visitor.sign_in(wallet)
    assert node.requests == 0


def test_without_the_setting_no_contract_signs_in(anvil, settings, visitor):
    assert settings.SIWE_SMART_WALLETS == {}
    for wallet, code in (
        (owned(anvil), "invalid_signature"),
        (CounterfactualWallet(anvil), "malformed_signature"),
    ):
        text = render(visitor.fields(wallet))
        assert refuse(visitor, text, wallet.sign(text), 401, code)


def test_a_chain_without_a_node_knows_keys_only(chain, visitor):
    wallet = owned(chain)
    fields = visitor.fields(wallet, chainId=11155111)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), 401, "invalid_signature")
    assert burned(fields["nonce"])


@pytest.mark.django_db(transaction=True)
async def test_it_signs_in_under_asgi_too(chain, visitor):
    wallet = await sync_to_async(owned)(chain)
    text = render(await sync_to_async(visitor.fields)(wallet))
    client = AsyncClient()
    client.cookies = visitor.client.cookies
    body = {"message": text, "signature": wallet.sign(text)}
    answer = await client.post(f"{BASE}verify", json.dumps(body), content_type="application/json")
    await sync_to_async(connections.close_all)()
    assert answer.status_code == 200


OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@pytest.mark.direct
@pytest.mark.django_db(transaction=True)
def test_while_a_node_is_asked_no_connection_to_the_database_is_held(settings, visitor):
    seen = []

    def look(node, handler):
        with connection.cursor() as cursor:
            cursor.execute(OTHERS)
            seen.extend(cursor.fetchone())
        connection.close()
        send(handler, json.dumps({"id": 1, "result": "0x01"}).encode())

    with FakeNode(look) as node:
        settings.SIWE_SMART_WALLETS = {1: node.url}
        visitor.sign_in(ContractWallet(KeyWallet().address))
    assert seen == [0]
