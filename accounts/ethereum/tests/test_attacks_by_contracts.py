"""Attack rows 31 to 33: contracts, wrappers and nodes that are not what they should be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import encode

from accounts.ethereum.tests.contracts import (
    ContractWallet,
    CounterfactualWallet,
    FakeNode,
    owned,
    result,
    send,
    wrapped,
)
from accounts.ethereum.tests.desk import (
    KeyWallet,
    Visitor,
    burned,
    nothing_changes,
    refuse,
    refused,
    render,
)
from foundation.evm import json_rpc
from foundation.evm.contract_signatures import MAX_DIGITS, WRAPPED

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(anvil, settings):
    """The chain with id 1, asked for contract wallets."""
    settings.SIWE_SMART_WALLETS = {anvil.chain_id: anvil.url}
    return anvil


def attempt(visitor, wallet, status=401, code="invalid_signature", **changes):
    """Whether the wallet's own signature is refused like this, its nonce is gone, and no more."""
    fields = visitor.fields(wallet, **changes)
    text = render(fields)
    assert refuse(visitor, text, wallet.sign(text), status, code)
    return burned(fields["nonce"])


# --- Contracts -------------------------------------------------------------------------------

RUDE = [
    "Reverts",
    "WrongMagic",
    "Garbage",
    "Short",
    "Huge",
    "Nothing",
    "Echo",
    "BurnsGas",
    "Writes",
]


@pytest.mark.parametrize("name", RUDE)
def test_a_contract_that_does_not_approve_is_refused(chain, visitor, name):
    assert attempt(visitor, ContractWallet(chain.deploy(name)))


@pytest.mark.parametrize("name", [*RUDE, "Yes"])
def test_a_factory_that_makes_no_wallet_is_refused(chain, visitor, name):
    wallet = CounterfactualWallet(chain)
    wallet.factory = chain.deploy(name)
    assert attempt(visitor, wallet)


def test_32_an_offchain_lookup_is_not_followed(chain, visitor):
    with FakeNode(result("0x01")) as elsewhere:
        wallet = ContractWallet(chain.deploy("LooksOffchain", encode(["string"], [elsewhere.url])))
        assert attempt(visitor, wallet)
    assert elsewhere.requests == 0


def test_33_nor_is_one_behind_a_wrapped_signature(chain, visitor):
    with FakeNode(result("0x01")) as elsewhere:
        rude = chain.deploy("LooksOffchain", encode(["string"], [elsewhere.url]))
        wallet = CounterfactualWallet(chain)
        wallet.factory = rude
        assert attempt(visitor, wallet)
        wallet.address = ContractWallet(rude).address
        assert attempt(visitor, wallet)
    assert elsewhere.requests == 0


def test_nobody_but_the_owner_signs(chain, visitor):
    wallet = owned(chain)
    wallet.owner = KeyWallet()
    assert attempt(visitor, wallet)


def test_a_wrapped_signature_of_somebody_else_is_refused_deployed_or_not(chain, visitor):
    wallet = CounterfactualWallet(chain)
    wallet.owner = KeyWallet()
    assert attempt(visitor, wallet)
    wallet.deploy()
    assert attempt(visitor, wallet)


def test_a_wrapped_signature_does_not_stand_in_for_a_key(chain, visitor, wallet):
    """Its factory makes a wallet, but not at this address."""
    other = CounterfactualWallet(chain)
    other.address = wallet.address
    assert attempt(visitor, other)


def test_of_two_wallets_of_one_owner_a_signature_is_good_for_one(chain, visitor):
    owner = KeyWallet()
    first, second = owned(chain, owner), owned(chain, owner)
    signature = first.sign(render(visitor.fields(first)))
    fields = visitor.fields(second)
    assert refuse(visitor, render(fields), signature, 401, "invalid_signature")


def test_an_address_without_code_is_refused(chain, visitor):
    assert attempt(visitor, ContractWallet(KeyWallet().address))


def test_a_precompiled_contract_is_no_wallet(chain, visitor):
    """The fourth echoes its input, which begins with the magic value."""
    assert attempt(visitor, ContractWallet("0x" + "4".zfill(40)))


# --- 31: the right contract on the wrong chain ------------------------------------------------


def test_31_a_contract_is_asked_on_the_chain_of_the_message(chain, other_anvil, settings, visitor):
    settings.SIWE_SMART_WALLETS[other_anvil.chain_id] = other_anvil.url
    assert attempt(visitor, owned(chain), chainId=other_anvil.chain_id)


def test_31_a_contract_at_a_users_address_is_somebody_else(chain, visitor, wallet):
    victim = visitor.sign_in(wallet)
    chain.place(chain.deploy("Yes"), wallet.address)
    stranger = Visitor().sign_in(ContractWallet(wallet.address))
    assert stranger != victim
    assert list(stranger.socialaccount_set.values_list("uid", flat=True)) == [
        f"eip155:1:{wallet.address}"
    ]
    assert visitor.signed_in


@pytest.mark.parametrize("process", ["connect", "reauth"])
def test_31_nor_does_it_act_for_that_user(chain, visitor, wallet, process):
    """Proving presence with it fails; it would join only who has just proved presence."""
    visitor.sign_in(wallet)
    chain.place(chain.deploy("Yes"), wallet.address)
    fields = visitor.fields(wallet, process)
    text, forged = render(fields), KeyWallet().sign("another text")
    assert refuse(visitor, text, forged, 401, "reauthentication_required", process)


def test_a_node_of_another_chain_is_not_believed(other_anvil, settings, visitor):
    settings.SIWE_SMART_WALLETS = {1: other_anvil.url}
    assert attempt(visitor, owned(other_anvil), 503, "unavailable")


# --- Signatures ------------------------------------------------------------------------------

BENT = {
    "empty": "",
    "prefix alone": "0x",
    "odd length": "0x123",
    "not hex": "0x" + "zz" * 65,
    "two prefixes": "0x0x12",
    "line end": "0x1234\n",
    "too long": "0x" + "1" * (MAX_DIGITS + 2),
    "mark alone": WRAPPED.hex(),
    "mark and too little": "12" * 40 + WRAPPED.hex(),
    "pointers beyond the end": "ff" * 96 + WRAPPED.hex(),
    "lengths beyond the end": f"{32:064x}{96:064x}{96:064x}{2**255:064x}" + WRAPPED.hex(),
}


@pytest.mark.parametrize("signature", BENT.values(), ids=BENT.keys())
def test_a_bent_signature_is_refused_before_any_node_is_asked(settings, visitor, signature):
    with FakeNode(result("0x01")) as node:
        settings.SIWE_SMART_WALLETS = {1: node.url}
        fields = visitor.fields(KeyWallet())
        assert refuse(visitor, render(fields), signature, 401, "malformed_signature")
    assert burned(fields["nonce"])
    assert node.requests == 0


def test_the_longest_signature_is_asked_about(chain, visitor):
    wallet = ContractWallet(chain.deploy("Yes"))
    text = render(visitor.fields(wallet))
    assert visitor.post(text, "0x" + "1" * MAX_DIGITS).status_code == 200


def test_a_refused_message_is_not_asked_about(settings, visitor):
    with FakeNode(result("0x01")) as node:
        settings.SIWE_SMART_WALLETS = {1: node.url}
        text = render(visitor.fields(wallet := KeyWallet(), domain="other.example"))
        assert refuse(visitor, text, wallet.sign("another text"), 401, "domain_mismatch")
        text = render(visitor.fields(wallet, nonce="0" * 32))
        assert refuse(visitor, text, wallet.sign("another text"), 401, "invalid_nonce")
    assert node.requests == 0


# --- 33: nodes -------------------------------------------------------------------------------


def hang(node, handler):
    node.released.wait()


def drip(node, handler):
    """A byte now and then, for ever: every single wait is short."""
    handler.send_response(200)
    handler.end_headers()
    while not node.released.wait(0.01):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def flood(node, handler):
    send(handler, b" " * json_rpc.MAX_ANSWER + b'{"id": 1, "result": "0x01"}')


def error(code):
    body = json.dumps({"id": 1, "error": {"code": code, "message": "no"}}).encode()
    return lambda node, handler: send(handler, body)


STRANGE: list[Any] = ["0x", "0x02", "0x0101", 1, None, [], ""]
NODES = {
    "hangs": hang,
    "drips": drip,
    "floods": flood,
    "status 500": lambda node, handler: send(handler, b'{"id": 1, "result": "0x01"}', 500),
    "redirects": lambda node, handler: send(handler, b"", 307, Location=node.url),
    "no JSON": lambda node, handler: send(handler, b"<html>"),
    "not UTF-8": lambda node, handler: send(handler, b"\xff\xfe\xff"),
    "deep": lambda node, handler: send(handler, b"[" * 10000),
    "a list": lambda node, handler: send(handler, b"[]"),
    "another question": lambda node, handler: send(handler, b'{"id": 2, "result": "0x01"}'),
    "closes": lambda node, handler: None,
    "packed": lambda node, handler: send(handler, b"\x1f\x8b", **{"Content-Encoding": "gzip"}),
    "limit": error(-32005),
    "error without a number": error("limit"),
    **{f"result {value!r}": result(value) for value in STRANGE},
}


@pytest.mark.parametrize("respond", NODES.values(), ids=NODES.keys())
def test_33_a_node_that_does_not_answer_is_told_apart(settings, visitor, monkeypatch, respond):
    monkeypatch.setattr(json_rpc, "DEADLINE", 0.5)
    fields = visitor.fields(wallet := ContractWallet(KeyWallet().address))
    text = render(fields)
    with FakeNode(respond) as node, nothing_changes(visitor):
        settings.SIWE_SMART_WALLETS = {1: node.url}
        answer = visitor.post(text, wallet.sign(text))
        assert refused(answer, 503, "unavailable")
        assert (answer["Retry-After"], node.requests) == ("5", 1)
    assert burned(fields["nonce"])


def test_33_a_node_that_is_not_there_is_unavailable(settings, visitor, unused_port):
    settings.SIWE_SMART_WALLETS = {1: f"http://127.0.0.1:{unused_port}"}
    assert attempt(visitor, ContractWallet(KeyWallet().address), 503, "unavailable")


def test_a_node_that_says_reverted_means_no(settings, visitor):
    with FakeNode(error(3)) as node:
        settings.SIWE_SMART_WALLETS = {1: node.url}
        assert attempt(visitor, ContractWallet(KeyWallet().address))


def test_nobody_waits_longer_than_three_seconds():
    assert json_rpc.DEADLINE <= 3


def test_a_wrapper_with_an_empty_signature_is_asked_about(chain, visitor):
    wallet = ContractWallet(chain.deploy("Yes"))
    text = render(visitor.fields(wallet))
    assert visitor.post(text, wrapped(wallet.address, b"", "0x")).status_code == 200
