"""Balances: packed for Multicall3 and one by one, at one block, and never a false zero."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from demo.pytest_anvil import RICH
from foundation.evm import multicall
from foundation.evm.blocks import head
from foundation.evm.multicall import balances
from foundation.evm.node import Endpoint, NodeError
from foundation.evm.nodes import Nodes
from foundation.tests.fake_node import FakeNode, passing_to, saying, send
from foundation.tests.test_evm_blocks import mint, orphan, over, written

PLACE = bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11")
RUNTIME = Path(multicall.__file__).parent / "contracts" / "Multicall.runtime.hex"
ALICE, BOB, CAROL = b"\xaa" * 20, b"\xbb" * 20, b"\xcc" * 20
MAX = 2**256 - 1
COIN = b""
TYPES = ["(address,bool,bytes)[]"]


@pytest.fixture
def nodes(anvil):
    anvil.ask("anvil_setCode", written(PLACE), f"0x{RUNTIME.read_text().strip()}")
    return over(anvil.url)


@pytest.fixture
def token(anvil):
    return bytes.fromhex(anvil.deploy("NamelessToken")[2:])


def read(nodes, cells, at=PLACE, **options):
    return balances(nodes, head(nodes).hash, cells, multicall=at, **options)


@pytest.mark.parametrize("at", [PLACE, None, BOB])
def test_values_are_the_nodes_own_with_and_without_multicall(anvil, nodes, token, at):
    mint(anvil, written(token), ALICE, MAX)
    anvil.ask("anvil_setBalance", written(BOB), hex(MAX))
    cells = [(ALICE, token), (BOB, COIN), (BOB, token), (CAROL, COIN)]
    assert read(nodes, cells, at) == [MAX, MAX, 0, 0]


def test_code_that_comes_along_stands_in_for_a_missing_contract(anvil, token):
    mint(anvil, written(token), ALICE, 5)
    with FakeNode(passing_to(anvil.url)) as fake:
        nodes = over(fake.url, caps=frozenset({"override", "eip1898"}))
        assert read(nodes, [(ALICE, token), (CAROL, COIN)], None) == [5, 0]
        assert fake.methods.count("eth_getBalance") == 0


def test_values_are_of_the_named_block(anvil, nodes, token):
    mint(anvil, written(token), ALICE, 5)
    then = head(nodes)
    mint(anvil, written(token), ALICE, 6)
    cells = [(ALICE, token)]
    assert balances(nodes, then.hash, cells, multicall=PLACE) == [5]
    assert balances(nodes, None, cells, multicall=PLACE, block_number=then.number) == [5]
    assert balances(nodes, None, cells, multicall=PLACE) == [11]


@pytest.mark.parametrize("at", [PLACE, None])
def test_an_orphan_is_told_and_not_read(anvil, nodes, at):
    lost = orphan(anvil)
    with pytest.raises(NodeError) as met:
        balances(nodes, lost, [(ALICE, COIN)], multicall=at)
    assert met.value.kind == "orphan"


@pytest.mark.parametrize("at", [PLACE, None])
def test_a_node_that_cannot_name_hashes_is_asked_by_number_and_checked(anvil, nodes, at):
    by_number = over(anvil.url, caps=frozenset({"trace"}))
    anvil.ask("anvil_setBalance", written(ALICE), "0x5")
    anvil.ask("anvil_mine", "0x1")
    now = head(nodes)
    cells = [(ALICE, COIN)]
    assert balances(by_number, now.hash, cells, multicall=at, block_number=now.number) == [5]
    lost = orphan(anvil)
    with pytest.raises(NodeError) as met:
        balances(by_number, lost, cells, multicall=at, block_number=now.number)
    assert met.value.kind == "orphan"


@pytest.mark.parametrize("at", [PLACE, None])
def test_contracts_that_fail_fail_alone_and_are_never_zero(anvil, nodes, token, at):
    mute, greedy = (bytes.fromhex(anvil.deploy(n)[2:]) for n in ("MuteToken", "GreedyToken"))
    mint(anvil, written(token), ALICE, 5)
    cells = [(ALICE, token), (ALICE, mute), (ALICE, greedy), (ALICE, BOB), (ALICE, token)]
    assert read(nodes, cells, at) == [5, None, None, None, 5]


def test_nothing_to_read_asks_nobody():
    with FakeNode() as fake:
        assert balances(over(fake.url), b"\1" * 32, [], multicall=PLACE) == []
        assert fake.questions == []


def test_a_thousand_addresses_with_six_assets_take_six_calls(anvil, nodes):
    tokens = [bytes.fromhex(anvil.deploy("NamelessToken")[2:]) for _ in range(2)]
    addresses = [random.Random(i).randbytes(20) for i in range(1000)]
    mint(anvil, written(tokens[0]), addresses[7], 77)
    cells = [(address, asset) for address in addresses for asset in (COIN, *tokens, *tokens, COIN)]
    at = head(nodes).hash
    with FakeNode(passing_to(anvil.url)) as fake:
        found = balances(over(fake.url), at, cells, multicall=PLACE)
        assert len([asked for asked in fake.questions if asked["method"] == "eth_call"]) == 6
        assert len(fake.questions) == 7
    assert sum(value for value in found if value is not None) == 2 * 77
    assert None not in found
    assert found[7 * 6 + 1] == 77


def only_below(size, refuse):
    """A node whose limit is ``size`` bytes of question."""

    def respond(node, request):
        if int(request.headers["Content-Length"]) > size:
            refuse(node, request)
        else:
            passing_to(node.behind)(node, request)

    return respond


@pytest.mark.parametrize(
    "refusal",
    [
        saying(b"<html>", 413),
        saying(b'{"id":0,"error":{"code":-32600,"message":"Invalid request"}}'),
        saying(b'{"id":0,"error":{"code":-32000,"message":"out of gas"}}'),
    ],
)
def test_a_question_that_is_too_large_is_halved_and_the_size_remembered(anvil, nodes, refusal):
    with FakeNode(only_below(60_000, refusal)) as fake:
        fake.behind = anvil.url
        small = over(fake.url)
        cells = [(ALICE, COIN)] * 400
        assert read(small, cells) == [0] * 400
        assert small.states()[0].multicall_cells == 100
        fake.questions.clear()
        assert read(small, cells) == [0] * 400
        assert fake.methods.count("eth_call") == 4


def test_a_time_out_asks_for_less_next_time():
    def slow(node, request):
        if request.question["method"] == "eth_call":
            node.released.wait(10)
        else:
            node.respond_properly(request)

    with FakeNode(slow) as fake:
        nodes = Nodes([Endpoint("slow", fake.url)], chain_id=1, deadline=0.3)
        with pytest.raises(NodeError) as met:
            balances(nodes, b"\1" * 32, [(ALICE, COIN)] * 1000, multicall=PLACE)
        assert (met.value.kind, nodes.states()[0].multicall_cells) == ("unavailable", 500)


@pytest.mark.parametrize("at", [PLACE, None])
@pytest.mark.parametrize(
    "answer",
    [
        "0x12",
        "0x" + "00" * 32,
        "0x" + "00" * 31 + "20" + "00" * 31 + "02",
        "0x" + "ff" * 200,
        7,
        None,
        ["0x"],
        "zero",
    ],
)
def test_garbage_is_an_error_or_unknown_and_never_a_value(at, answer):
    with FakeNode(eth_call=answer, eth_getBalance="0x", eth_blockNumber="0x1") as fake:
        try:
            found = balances(over(fake.url), None, [(ALICE, BOB), (ALICE, COIN)], multicall=at)
        except NodeError as problem:
            assert problem.kind == "bad_answer"
        else:
            assert 0 not in found


def test_a_call_left_out_of_a_batch_is_not_zero():
    def partial(node, request):
        asked = request.question
        if not isinstance(asked, list):
            return node.respond_properly(request)
        first = {"jsonrpc": "2.0", "id": asked[0]["id"], "result": "0x5"}
        return send(request, json.dumps([first]).encode())

    with FakeNode(partial) as fake, pytest.raises(NodeError) as met:
        balances(over(fake.url), None, [(ALICE, COIN), (BOB, COIN)], multicall=None)
    assert met.value.kind == "bad_answer"


def test_an_endpoint_without_the_old_state_leads_to_one_that_has_it(anvil, nodes):
    then = head(nodes)
    anvil.ask("anvil_mine", "0x5")
    no = {"code": -32002, "message": "project ID does not have access to archive state"}

    def pruned(question, answer):
        if question["method"] in ("eth_call", "eth_getBalance"):
            return {"id": answer["id"], "error": no}
        return answer

    rich = bytes.fromhex(RICH[2:])
    with FakeNode(passing_to(anvil.url, pruned)) as fake:
        for at in (PLACE, None):
            both = over(fake.url, anvil.url)
            options: Any = {"multicall": at, "block_number": then.number, "archive": True}
            (value,) = balances(both, then.hash, [(rich, COIN)], **options)
            assert value == int(anvil.ask("eth_getBalance", RICH, hex(then.number)), 16)
            with pytest.raises(NodeError) as met:
                balances(over(fake.url), then.hash, [(rich, COIN)], **options)
            assert met.value.kind == "no_archive"


addresses = st.binary(min_size=20, max_size=20)


@given(st.lists(st.tuples(addresses, st.one_of(addresses, st.just(COIN))), min_size=1, max_size=9))
def test_questions_are_packed_as_any_abi_encoder_would(cells):
    def one(address, token):
        name = "balanceOf(address)" if token else "getEthBalance(address)"
        return written(token or PLACE), True, keccak(name.encode())[:4] + bytes(12) + address

    expected = keccak(b"aggregate3((address,bool,bytes)[])")[:4] + encode(
        TYPES, [[one(*cell) for cell in cells]]
    )
    # The selectors of Multicall3 are of the signature with the struct spelled out.
    packed = multicall.packed(cells, PLACE)
    (calls,) = decode(TYPES, packed[4:])
    assert packed == expected
    assert len(calls) == len(cells)


answers = st.lists(
    st.tuples(
        st.booleans(),
        st.one_of(st.integers(0, MAX).map(lambda v: v.to_bytes(32, "big")), st.binary(max_size=90)),
    ),
    max_size=9,
)


@given(answers)
def test_answers_are_unpacked_as_any_abi_decoder_would(returned):
    answer = encode(["(bool,bytes)[]"], [returned])
    expected = [
        int.from_bytes(data[:32], "big") if success and len(data) >= 32 else None
        for success, data in returned
    ]
    assert multicall.unpacked(answer, len(returned)) == expected


@given(answers, st.data())
def test_an_answer_with_a_part_missing_gives_no_invented_values(returned, data):
    answer = encode(["(bool,bytes)[]"], [returned])
    cut = answer[: data.draw(st.integers(0, len(answer)))]
    whole = multicall.unpacked(answer, len(returned))
    try:
        found = multicall.unpacked(cut, len(returned))
    except NodeError:
        return
    assert all(value in (None, other) for value, other in zip(found, whole, strict=True))


@given(st.binary(max_size=400), st.integers(1, 5))
def test_any_bytes_at_all_are_read_or_refused(answer, count):
    try:
        assert len(multicall.unpacked(answer, count)) == count
    except NodeError as problem:
        assert problem.kind == "bad_answer"
