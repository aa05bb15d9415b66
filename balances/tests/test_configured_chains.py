"""``QUAYSIDE_CHAINS``: what is refused, and what becomes of the rest."""

from __future__ import annotations

import pytest

from balances.checks import check_chains
from balances.models import Chain, RpcEndpoint
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


def test_a_chain_without_endpoints_or_with_a_missing_key_says_so(db, monkeypatch):
    (chain,) = sync_chains([GOOD])
    monkeypatch.delenv("NODE_KEY")
    with pytest.raises(Unconfigured, match="NODE_KEY"):
        nodes_for(chain)
    RpcEndpoint.objects.all().delete()
    with pytest.raises(Unconfigured, match="no enabled endpoint"):
        nodes_for(chain)
