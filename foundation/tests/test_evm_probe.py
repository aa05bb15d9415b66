"""What an endpoint can do, on a real node and on poorer ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foundation.evm.node import Endpoint, NodeError
from foundation.evm.probe import probe
from foundation.tests.fake_node import FakeNode, passing_to, saying, send
from foundation.tests.test_evm_blocks import written
from foundation.tests.test_evm_heads import websocket
from foundation.tests.test_evm_multicall import PLACE, RUNTIME


def endpoint(url, **options):
    return Endpoint("test", url, **options)


def test_a_full_node_can_everything(anvil):
    anvil.ask("anvil_mine", "0xc8")
    anvil.ask("anvil_setCode", written(PLACE), f"0x{RUNTIME.read_text().strip()}")
    found = probe(endpoint(anvil.url, url_ws=websocket(anvil.url)), multicall=PLACE)
    assert (found.chain_id, found.head.number) == (1, 200)
    assert found.caps == {"eip1898", "override", "trace", "subscribe"}
    assert (found.batch_max, found.logs_range_max, found.archive_from) == (100, 10_000, 0)
    assert found.client.startswith("anvil")
    assert found.multicall
    assert found.genesis == bytes.fromhex(
        anvil.ask("eth_getBlockByNumber", "0x0", False)["hash"][2:]
    )


def test_a_new_chain_without_a_block_is_probed_too(anvil):
    found = probe(endpoint(anvil.url), multicall=PLACE)
    assert (found.head.number, found.archive_from, found.multicall) == (0, 0, False)
    assert "subscribe" not in found.caps


def poorer(anvil, **options):
    """What probing finds on a node that ``change`` makes poorer."""
    anvil.ask("anvil_mine", "0xc8")

    def change(question, answer):
        refusal = options.get(question["method"])
        said = refusal(question["params"]) if refusal else None
        return {"id": answer["id"], "error": said} if said else answer

    with FakeNode(passing_to(anvil.url, change)) as fake:
        return probe(endpoint(fake.url))


def old(limit):
    refusal = {"code": -32000, "message": "missing trie node"}

    def refuse(params):
        block = params[1]
        named = isinstance(block, str) and block.startswith("0x")
        return refusal if named and int(block, 16) < limit else None

    return refuse


def test_a_pruned_node_tells_how_far_back_it_goes(anvil):
    assert poorer(anvil, eth_getBalance=old(50)).archive_from == 200 - 128


def test_a_node_with_the_head_alone_has_no_archive(anvil):
    assert poorer(anvil, eth_getBalance=old(200)).archive_from is None


def test_a_node_that_answers_balances_but_no_calls_of_the_past_has_no_archive(anvil):
    assert poorer(anvil, eth_call=old(150)).archive_from == 199


def test_what_is_missing_is_found_missing(anvil):
    missing = {"code": -32601, "message": "Method not found"}
    found = poorer(anvil, debug_traceBlockByHash=lambda params: missing)
    assert found.caps == {"eip1898", "override"}


def test_a_node_that_reads_over_the_hash_does_not_know_hashes(anvil):
    """It answers for the head whatever one names."""

    def latest(node, request):
        asked = request.question
        for item in asked if isinstance(asked, list) else [asked]:
            item["params"] = [
                "latest" if isinstance(p, dict) and "blockHash" in p else p for p in item["params"]
            ]
        passing_to(anvil.url)(node, request)

    anvil.ask("anvil_mine", "0x2")
    with FakeNode(latest) as fake:
        assert "eip1898" not in probe(endpoint(fake.url)).caps


@pytest.mark.parametrize(("limit", "size"), [(99, 10), (5, 1)])
def test_the_size_of_batches_is_found(anvil, limit, size):
    def picky(node, request):
        if isinstance(request.question, list) and len(request.question) > limit:
            return send(request, b'{"id":null,"error":{"code":-32014,"message":"too many"}}')
        return passing_to(anvil.url)(node, request)

    with FakeNode(picky) as fake:
        assert probe(endpoint(fake.url)).batch_max == size


def test_the_range_of_logs_is_found(anvil):
    anvil.ask("anvil_mine", hex(1200))
    wide = {"code": -32000, "message": "exceed maximum block range: 500"}

    def too_wide(params):
        span = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
        return wide if span > 500 else None

    assert poorer(anvil, eth_getLogs=too_wide).logs_range_max == 500


@pytest.mark.parametrize("respond", [saying(b"", 503), saying(b"<html>"), saying(b"", 429)])
def test_an_endpoint_that_does_not_even_tell_its_chain_raises(respond):
    with FakeNode(respond) as fake, pytest.raises(NodeError):
        probe(endpoint(fake.url))


def test_what_was_found_makes_an_endpoint(anvil):
    given = endpoint(anvil.url)
    found = probe(given)
    better = replace(given, caps=found.caps, archive_from=found.archive_from)
    assert better.may("trace")
    assert not better.may("subscribe")


def test_a_long_or_odd_name_of_the_client_is_cut():
    with FakeNode(
        web3_clientVersion="\x1b[31mnode\n" + "x" * 500,
        eth_getBlockByNumber={
            "number": "0x0",
            "hash": "0x" + "11" * 32,
            "parentHash": "0x" + "00" * 32,
            "timestamp": "0x1",
        },
    ) as fake:
        client = probe(endpoint(fake.url)).client
    assert client.startswith("[31mnodexxx")
    assert len(client) == 80
