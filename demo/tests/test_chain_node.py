"""The local chain of `make up`: how it begins, what lives on it, how it survives."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading

import pytest

from balances.models import Balance, Block, Chain, Token, Watch
from demo import chain_genesis, chain_node, chain_traffic, seed
from demo.chain_traffic import Market
from demo.home import Home
from demo.prepare import local_chain
from demo.servers import free_port
from demo.wallet import ACCOUNTS
from foundation.evm import blocks
from foundation.evm.multicall import balances
from foundation.evm.node import Endpoint, Node
from foundation.evm.nodes import Nodes
from foundation.evm.tokens import metadata
from foundation.tests.fake_node import FakeNode, saying


def anvil():
    found = chain_node.find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    if problem := chain_node.install():
        pytest.skip(problem)
    home = Home(tmp_path_factory.mktemp("desk"))
    chain_genesis.initialise(home.chain, anvil())
    return home


@pytest.fixture
def node(home):
    with chain_node.running(anvil(), home.chain) as node:
        yield node


def raw(address):
    return bytes.fromhex(address[2:])


def chain_of(node):
    return Nodes([node.endpoint], chain_id=chain_node.CHAIN_ID)


def test_every_account_begins_with_coin_and_tokens(home, node):
    facts, nodes = chain_genesis.facts(home.chain), chain_of(node)
    assets = [b"", *map(raw, facts["tokens"].values())]
    cells = [(raw(account), asset) for account in facts["accounts"] for asset in assets]
    held = balances(nodes, blocks.head(nodes).hash, cells, multicall=raw(chain_node.MULTICALL))
    assert len(held) == 3 * chain_node.ACCOUNTS
    assert all(held)


def test_the_demo_wallet_has_the_keys_of_the_first_accounts(home):
    first = chain_genesis.facts(home.chain)["accounts"][: len(ACCOUNTS)]
    assert first == [address.lower() for address in ACCOUNTS]


def test_tokens_are_what_they_are_called(home, node):
    tokens = chain_genesis.facts(home.chain)["tokens"]
    found = metadata(chain_of(node), [raw(address) for address in tokens.values()])
    assert [token.symbol for token in found] == list(tokens) == ["USDT", "LINK"]
    assert [token.decimals for token in found] == [6, 18]


def test_a_chain_that_is_there_stays_as_it_is(home):
    before = chain_genesis.facts(home.chain)
    chain_genesis.initialise(home.chain, anvil())
    assert chain_genesis.facts(home.chain) == before


def test_a_chain_that_grew_too_large_begins_anew(home, tmp_path, monkeypatch):
    folder = tmp_path / "chain"
    chain_genesis.initialise(folder, anvil())
    (folder / "mark").touch()
    monkeypatch.setattr(chain_genesis, "MAX_STATE", 1000)
    chain_genesis.initialise(folder, anvil())
    assert not (folder / "mark").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_chain_goes_on_after_its_node_ended(tmp_path, number):
    folder, port = tmp_path / "chain", free_port()
    chain_genesis.initialise(folder, anvil())
    command = [sys.executable, "-m", "demo.chain_node", str(folder), str(port)]
    node = Node(Endpoint("local", f"http://127.0.0.1:{port}"))
    heads = []
    for _ in range(4):
        with subprocess.Popen(command) as process:
            chain_node.wait_for(node)
            heads.append(blocks.head(chain_of(node)))
            genesis = blocks.fetch_header(chain_of(node), 0)
            process.send_signal(number)
    assert sorted(heads, key=lambda head: head.number) == heads
    assert genesis is not None
    assert f"0x{genesis.hash.hex()}" == chain_genesis.facts(folder)["genesis"]


def test_half_a_state_is_replaced_by_the_last_whole_one(tmp_path):
    state = tmp_path / chain_node.STATE
    state.write_text(json.dumps({"blocks": [block(0, 7), block(0, 5), block(1, 6)]}))
    chain_node.mend(tmp_path)
    state.write_text('{"half')
    chain_node.mend(tmp_path)
    assert json.loads(state.read_text()) == {"blocks": [block(0, 5), block(1, 6)]}


def block(number, timestamp):
    return {"header": {"number": hex(number), "timestamp": hex(timestamp)}}


def test_traffic_moves_coin_and_tokens_and_nobody_runs_dry(home, node):
    facts, nodes = chain_genesis.facts(home.chain), chain_of(node)
    tokens = list(facts["tokens"].values())
    market = Market(node, facts["accounts"], tokens, random.Random(1))
    begin = blocks.head(nodes).number
    sent = [market.trade() for _ in range(60)]
    assert None not in sent
    wait_for_block(node, begin + 60)
    kinds = set()
    for number in range(begin + 1, begin + 61):
        header = blocks.fetch_header(nodes, number)
        assert header is not None
        block = blocks.fetch_block(nodes, header.hash, receipts=True)
        assert block is not None
        assert [tx.ok for tx in block.txs] == [True]
        kinds |= {transfer.contract for transfer in block.transfers} or {b""}
    assert kinds == {b"", *map(raw, tokens)}


def wait_for_block(node, number):
    """Return when the chain is so long."""
    while int(node.call("eth_blockNumber"), 16) < number:
        pass


def test_traffic_waits_for_a_node_that_is_away(monkeypatch, caplog):
    monkeypatch.setattr(chain_traffic, "BLOCK_SECONDS", 0.001)
    monkeypatch.setattr(chain_traffic, "PER_BLOCK", {1: 1})
    stopping = threading.Event()

    def failing_twice(fake, request):
        if len(fake.questions) > 2:
            stopping.set()
        saying(b"", 503)(fake, request)

    with FakeNode(failing_twice) as fake:
        node = Node(Endpoint("local", fake.url))
        chain_traffic.run(Market(node, ["0x1", "0x2"], [], random.Random(1)), stopping)
    # Once, and not for every block.
    assert caplog.text.count("does not take transfers") == 1


@pytest.mark.django_db
class TestSeed:
    @pytest.fixture(autouse=True)
    def _configured(self, settings):
        settings.CHAINS = [local_chain(8545)]

    def test_the_customer_watches_the_demo_wallet(self, home):
        seed.seed(home)
        seed.seed(home)
        watched = Watch.objects.filter(owner__username="customer").order_by("pk")
        assert [watch.label for watch in watched] == list(seed.WATCHED)
        accounts = chain_genesis.facts(home.chain)["accounts"][:3]
        assert [f"0x{bytes(watch.address.raw).hex()}" for watch in watched] == accounts

    def test_its_tokens_have_the_prices_of_those_they_stand_for(self, home):
        seed.seed(home)
        named = chain_genesis.facts(home.chain)["tokens"]
        found = Token.objects.filter(status="listed").values_list("contract", "price_symbol")
        assert {symbol: bytes(contract) for contract, symbol in found} == {
            symbol: raw(contract) for symbol, contract in named.items()
        }

    def test_what_the_customer_removed_stays_removed_but_for_the_last(self, home):
        seed.seed(home)
        Watch.objects.filter(label=seed.WATCHED[0]).delete()
        seed.seed(home)
        assert Watch.objects.count() == 2

    def test_another_chain_than_last_time_begins_from_nothing(self, home, settings):
        seed.seed(home)
        Chain.objects.update(genesis_hash=b"\1" * 32, head_number=7, head_hash=b"\2" * 32)
        seed.seed(home)
        chain = Chain.objects.get()
        assert (chain.head_number, chain.genesis_hash) == (None, None)
        assert not Block.objects.exists()
        assert not Balance.objects.exists()
        assert Watch.objects.count() == 3

    def test_without_a_chain_nothing_is_watched(self, tmp_path):
        seed.seed(Home(tmp_path))
        assert not Watch.objects.exists()
