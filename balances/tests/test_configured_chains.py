"""``QUAYSIDE_CHAINS``: what is refused, and what becomes of the rest."""

from __future__ import annotations

import pytest
from django.utils import timezone

from balances.checks import check_chains
from balances.models import Chain, RpcEndpoint, Token
from balances.sources import Unconfigured, nodes_for, sync_chains, websocket_of

GOOD = {"id": 1, "name": "Ethereum", "rpc": ["https://one.example/$NODE_KEY"]}


def problems(settings, *entries):
    settings.CHAINS = list(entries)
    return [problem.id for problem in check_chains(None)]


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("NODE_KEY", "secret")


def test_a_good_entry_has_no_problem(settings):
    assert problems(settings, GOOD, {**GOOD, "id": 10, "ws": "wss://two.example"}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"id": 0},
        {"id": True},
        {"id": "1"},
        {"name": ""},
        {"rpc": []},
        {"rpc": "https://one.example"},
        {"rpc": ["ftp://one.example"]},
        {"rpc": ["https://"]},
        {"rpc": ["https://one.example/$NOT_SET"]},
        {"rpc": [7]},
        {"ws": "https://one.example"},
        {"multicall": "0x12"},
        {"reorg_depth": -1},
        {"tokens": ["USDC"]},
        {"tokens": {"0x12": "USDC"}},
        {"tokens": {"0x" + "c0" * 20: "usd coin"}},
    ],
)
def test_a_bad_entry_is_an_error(settings, change):
    assert problems(settings, {**GOOD, **change}) == ["balances.E001"]


def test_an_id_twice_is_an_error_and_an_unknown_word_a_warning(settings):
    assert problems(settings, GOOD, GOOD) == ["balances.E002"]
    assert problems(settings, {**GOOD, "rcp": []}) == ["balances.W001"]


def test_no_problem_names_the_key(settings):
    settings.CHAINS = [{**GOOD, "rpc": ["ftp://one.example/$NODE_KEY"]}]
    assert "secret" not in str(check_chains(None))


def test_configured_chains_become_rows_without_their_keys(db):
    (chain,) = sync_chains([{**GOOD, "symbol": "ETH", "ws": "wss://one.example/$NODE_KEY"}])
    row = RpcEndpoint.objects.get()
    assert (row.name, row.url_http) == ("one.example", "https://one.example/$NODE_KEY")
    assert websocket_of(chain) == "wss://one.example/secret"


def test_syncing_again_keeps_what_was_found_unless_the_address_changed(db):
    sync_chains([GOOD])
    RpcEndpoint.objects.update(caps={"trace": True}, batch_max=7)
    sync_chains([{**GOOD, "name": "Mainnet"}])
    assert (Chain.objects.get().name, RpcEndpoint.objects.get().batch_max) == ("Mainnet", 7)
    sync_chains([{**GOOD, "rpc": ["https://one.example:8545"]}])
    row = RpcEndpoint.objects.get()
    assert (row.caps, row.batch_max) == ({}, 100)


def test_an_endpoint_of_another_address_is_probed_anew(db):
    sync_chains([GOOD])
    RpcEndpoint.objects.update(last_ok_at=timezone.now())
    sync_chains([GOOD])
    assert RpcEndpoint.objects.get().last_ok_at is not None
    sync_chains([{**GOOD, "rpc": ["https://one.example:8545"]}])
    assert RpcEndpoint.objects.get().last_ok_at is None


def test_an_endpoint_that_is_named_no_longer_is_switched_off_and_an_operators_own_stays(db):
    two = {**GOOD, "rpc": ["https://one.example", "https://two.example"]}
    (chain,) = sync_chains([two])
    RpcEndpoint.objects.create(chain=chain, name="own", url_http="https://own.example")
    RpcEndpoint.objects.filter(name="two.example").update(enabled=False)

    def enabled():
        rows = RpcEndpoint.objects.filter(enabled=True).order_by("name")
        return list(rows.values_list("name", flat=True))

    sync_chains([two])
    assert enabled() == ["one.example", "own"]
    sync_chains([{**GOOD, "rpc": ["https://two.example"]}])
    assert enabled() == ["own"]
    sync_chains([GOOD])
    assert enabled() == ["one.example", "own"]


def test_a_chain_without_endpoints_or_with_a_missing_key_says_so(db, monkeypatch):
    (chain,) = sync_chains([GOOD])
    monkeypatch.delenv("NODE_KEY")
    with pytest.raises(Unconfigured, match="NODE_KEY"):
        nodes_for(chain)
    RpcEndpoint.objects.all().delete()
    with pytest.raises(Unconfigured, match="no enabled endpoint"):
        nodes_for(chain)


def test_a_configured_token_is_listed_and_priced_whatever_others_call_themselves(db):
    (chain,) = sync_chains([GOOD])
    imitation = Token.objects.create(chain=chain, contract=b"\xc1" * 20, symbol="USDC")
    found = Token.objects.create(chain=chain, contract=b"\xc0" * 20, status="spam")
    sync_chains([{**GOOD, "tokens": {"0x" + "c0" * 20: "USDC", "0x" + "c2" * 20: "LINK"}}])
    listed = Token.objects.filter(status="listed").values_list("price_symbol", flat=True)
    assert set(listed) == {"USDC", "LINK"}
    found.refresh_from_db()
    imitation.refresh_from_db()
    assert (found.price_symbol, imitation.price_symbol, imitation.status) == ("USDC", "", "unknown")


def test_an_operators_word_on_a_configured_token_stays(db):
    entry = {**GOOD, "tokens": {"0x" + "c0" * 20: "USDC"}}
    sync_chains([entry])
    for word in ({"price_symbol": ""}, {"price_symbol": "BTC", "status": "hidden"}):
        Token.objects.update(**word)
        sync_chains([entry])
        assert Token.objects.filter(**word).exists()
