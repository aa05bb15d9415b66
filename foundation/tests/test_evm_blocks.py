"""Blocks as a real node tells them, and as no node may."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak

from demo.pytest_anvil import RICH
from foundation.evm import blocks
from foundation.evm.node import Endpoint, NodeError
from foundation.evm.nodes import Nodes
from foundation.tests.fake_node import FakeNode, passing_to, refusing, saying

ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
SENDER = bytes.fromhex(RICH[2:])
NOBODY = bytes(20)


def written(raw):
    return f"0x{raw.hex()}"


def over(*urls, **options):
    points = [Endpoint(f"n{i}", url, **options) for i, url in enumerate(urls)]
    return Nodes(points, chain_id=1, deadline=5)


@pytest.fixture
def nodes(anvil):
    return over(anvil.url)


def call(name, types, *values):
    return written(keccak(f"{name}({','.join(types)})".encode())[:4] + encode(types, values))


def mint(chain, token, to, amount):
    chain.send({"to": token, "data": call("mint", ["address", "uint256"], written(to), amount)})


def newest(nodes, **options):
    return blocks.fetch_block(nodes, blocks.head(nodes).hash, **options)


def orphan(anvil):
    """The hash of a block that a reorg took away."""
    anvil.ask("anvil_mine", "0x2")
    # Empty blocks that take the place of empty ones may be the very same.
    anvil.send({"to": written(ALICE), "value": "0x1"})
    lost = anvil.ask("eth_getBlockByNumber", "latest", False)["hash"]
    anvil.ask("anvil_reorg", 2, [])
    return bytes.fromhex(lost[2:])


def test_heads_and_headers_agree(anvil, nodes):
    anvil.ask("anvil_mine", "0x2")
    head = blocks.head(nodes)
    assert head.number == 2
    assert blocks.fetch_header(nodes, 2) == head
    first = blocks.fetch_header(nodes, 1)
    assert first is not None
    assert first.hash == head.parent_hash
    assert blocks.fetch_header(nodes, 3) is None


def test_a_block_tells_its_transactions(anvil, nodes):
    anvil.send({"to": written(ALICE), "value": hex(7)})
    block = newest(nodes)
    (tx,) = block.txs
    assert (tx.idx, tx.sender, tx.recipient, tx.value) == (0, SENDER, ALICE, 7)
    assert (tx.fee, tx.ok) == (None, None)
    assert block.gas_used == 21000
    assert block.base_fee > 0
    assert (block.transfers, block.withdrawals) == ([], [])


def test_receipts_tell_fees_and_success(anvil, nodes):
    receipt = anvil.send({"to": written(ALICE), "value": hex(7)})
    (tx,) = newest(nodes, receipts=True).txs
    assert tx.ok is True
    assert tx.fee == 21000 * int(receipt["effectiveGasPrice"], 16)


def test_a_contract_made_has_no_recipient(anvil, nodes):
    anvil.deploy("Bytes32Token")
    assert newest(nodes).txs[0].recipient is None


@pytest.mark.parametrize("amount", [0, 1, 2**256 - 1])
def test_a_transfer_of_a_token_is_told_to_the_last_unit(anvil, nodes, amount):
    token = anvil.deploy("NamelessToken")
    mint(anvil, token, BOB, amount)
    (transfer,) = newest(nodes).transfers
    assert transfer.contract == bytes.fromhex(token[2:])
    assert (transfer.sender, transfer.recipient, transfer.value) == (NOBODY, BOB, amount)


def test_an_orphan_is_none(anvil, nodes):
    assert blocks.fetch_block(nodes, orphan(anvil)) is None
    assert blocks.fetch_block(nodes, b"\1" * 32, receipts=True) is None


def test_a_block_that_only_the_second_endpoint_has_is_found(anvil, other_anvil):
    other_anvil.ask("anvil_mine", "0x1")
    with FakeNode(passing_to(other_anvil.url)) as behind:
        behind.respond = passing_to(other_anvil.url, as_chain_one)
        anvil.ask("anvil_mine", "0x2")
        assert newest(over(anvil.url)) == blocks.fetch_block(
            over(behind.url, anvil.url), blocks.head(over(anvil.url)).hash
        )


def as_chain_one(question, answer):
    return {**answer, "result": "0x1"} if question["method"] == "eth_chainId" else answer


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("eth_getBlockByHash", lambda block: {**block, "hash": "0x" + "00" * 32}),
        ("eth_getBlockByHash", lambda block: {**block, "number": "12"}),
        ("eth_getBlockByHash", lambda block: {**block, "miner": "0x12"}),
        ("eth_getBlockByHash", lambda block: {**block, "transactions": ["0x" + "11" * 32]}),
        ("eth_getBlockByHash", lambda block: {**block, "transactions": None}),
        ("eth_getBlockByHash", lambda block: {**block, "gasUsed": "0x" + "f" * 65}),
        ("eth_getBlockByHash", lambda block: {**block, "gasUsed": "0x" + "f" * 16}),
        ("eth_getBlockByHash", lambda block: {**block, "timestamp": "0x" + "7" * 15}),
        ("eth_getBlockByHash", lambda block: "0x1"),
        ("eth_getLogs", lambda logs: None),
        ("eth_getLogs", lambda logs: {}),
        ("eth_getLogs", lambda logs: [{**logs[0], "blockHash": "0x" + "00" * 32}]),
        ("eth_getLogs", lambda logs: [{**logs[0], "address": 5}]),
        ("eth_getLogs", lambda logs: ["x"]),
        ("eth_getBlockReceipts", lambda receipts: [{}]),
    ],
)
def test_a_block_that_is_not_one_is_never_taken(anvil, nodes, method, change):
    mint(anvil, anvil.deploy("NamelessToken"), BOB, 5)
    block_hash = blocks.head(nodes).hash

    def meddle(question, answer):
        if question["method"] != method:
            return answer
        return {**answer, "result": change(answer["result"])}

    with FakeNode(passing_to(anvil.url, meddle)) as fake:
        with pytest.raises(NodeError) as met:
            blocks.fetch_block(over(fake.url), block_hash, receipts=True)
        assert met.value.kind == "bad_answer"
        good = blocks.fetch_block(over(fake.url, anvil.url), block_hash)
        assert good is not None
        assert good.hash == block_hash


def test_a_node_without_receipts_still_tells_the_block(anvil, nodes):
    anvil.send({"to": written(ALICE), "value": hex(7)})

    def without(question, answer):
        if question["method"] != "eth_getBlockReceipts":
            return answer
        return {"id": answer["id"], "error": {"code": -32601, "message": "Method not found"}}

    with FakeNode(passing_to(anvil.url, without)) as fake:
        (tx,) = newest(over(fake.url), receipts=True).txs
    assert (tx.value, tx.fee) == (7, None)


def log(**changes):
    word = "0x" + "00" * 12 + "aa" * 20
    return {
        "address": "0x" + "cc" * 20,
        "topics": [blocks.TRANSFER, word, word],
        "data": "0x" + "00" * 31 + "05",
        "logIndex": "0x0",
        "transactionHash": "0x" + "11" * 32,
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"topics": [*log()["topics"], "0x" + "01" * 32]},
        {"topics": [blocks.TRANSFER]},
        {"topics": []},
        {"topics": ["0x" + "00" * 32, *log()["topics"][1:]]},
        {"data": "0x"},
        {"data": "0x" + "00" * 64},
        {"topics": [blocks.TRANSFER, "0x" + "ff" * 32, log()["topics"][1]]},
        {"removed": True},
    ],
)
def test_what_only_looks_like_a_transfer_of_erc20_is_left_out(changes):
    assert blocks.transfer_of(log()) is not None
    assert blocks.transfer_of(log(**changes)) is None


def test_traces_tell_what_moved_inside_a_transaction(anvil, nodes):
    forwarder = anvil.deploy("Forwarder", encode(["address"], [written(BOB)]))
    anvil.send({"to": forwarder, "value": hex(9)})
    head = blocks.head(nodes)
    touched = blocks.touched_native(nodes, head.hash)
    assert touched is not None
    assert touched[BOB] == 9
    left = anvil.ask("eth_getBalance", RICH, "latest")
    assert touched[SENDER] == int(left, 16)


def test_a_node_that_cannot_trace_says_nothing():
    with FakeNode(saying(b"")) as fake:
        fake.respond = FakeNode.respond_properly
        assert blocks.touched_native(over(fake.url), b"\1" * 32) is None


def test_a_node_that_lost_what_it_would_trace_says_nothing():
    gone = {"txHash": "0x" + "1" * 64, "error": "Resource not found"}
    with FakeNode(debug_traceBlockByHash=[gone]) as fake:
        assert blocks.touched_native(over(fake.url), b"\1" * 32) is None


def test_a_node_that_is_down_is_not_one_that_cannot_trace():
    with FakeNode(saying(b"", 503)) as fake, pytest.raises(NodeError):
        blocks.touched_native(over(fake.url), b"\1" * 32)


def test_a_destroyed_account_holds_nothing():
    pre = {written(ALICE): {"balance": "0x5"}, written(BOB): {"balance": "0x1"}}
    traces = [{"result": {"pre": pre, "post": {written(BOB): {"balance": "0x6"}}}}]
    with FakeNode(debug_traceBlockByHash=traces) as fake:
        assert blocks.touched_native(over(fake.url), b"\1" * 32) == {ALICE: 0, BOB: 6}


@pytest.mark.parametrize("respond", [refusing(-32000, "header not found"), saying(b"null")])
def test_a_head_that_cannot_be_had_raises(respond):
    with FakeNode(respond) as fake, pytest.raises(NodeError):
        blocks.head(over(fake.url))
