"""Transfers out of the past: complete, each once, in windows that fit the node."""

from __future__ import annotations

from itertools import pairwise

import pytest

from foundation.evm import logs
from foundation.evm.logs import transfer_logs, transfer_windows, tuned
from foundation.evm.node import NodeError
from foundation.tests.fake_node import FakeNode, Refusal, passing_to, send
from foundation.tests.test_evm_blocks import ALICE, BOB, call, mint, over, written


@pytest.fixture
def history(anvil):
    """Ten transfers to Alice, with empty blocks between them, and as many to Bob."""
    token = anvil.deploy("NamelessToken")
    for amount in range(1, 11):
        mint(anvil, token, ALICE, amount)
        mint(anvil, token, BOB, amount + 100)
        anvil.ask("anvil_mine", "0x14")
    return int(anvil.ask("eth_blockNumber"), 16)


def values(found):
    return [log.transfer.value for log in found]


def test_all_transfers_of_an_address_come_once_and_in_order(anvil, history):
    found = list(transfer_logs(over(anvil.url), ALICE, 0, history))
    assert values(found) == list(range(1, 11))
    assert [log.block_number for log in found] == sorted(log.block_number for log in found)


@pytest.mark.parametrize("blocks", [1, 3, 7, 1000])
def test_windows_follow_on_one_another_and_stay_below_the_nodes_range(anvil, history, blocks):
    with FakeNode(passing_to(anvil.url)) as fake:
        nodes = over(fake.url, logs_range_max=blocks)
        windows = list(transfer_windows(nodes, ALICE, 1, history))
        spans = [
            [int(item["params"][0][end], 16) for end in ("fromBlock", "toBlock")]
            for asked in fake.questions
            if isinstance(asked, list)
            for item in asked
        ]
    assert (windows[0].from_block, windows[-1].to_block) == (1, history)
    steps = pairwise(windows)
    assert all(a.to_block + 1 == b.from_block for a, b in steps)
    assert all(last - first < max(blocks, 3) for first, last in spans)
    assert values(log for window in windows for log in window.transfers) == list(range(1, 11))


def test_what_appeared_late_at_the_end_of_a_range_is_found_by_reading_again(anvil, history):
    """The first answer leaves out the last block, as providers do."""
    first: list[int] = []

    def forgetful(question, answer):
        if question["method"] != "eth_getLogs" or first.count(question["id"]):
            return answer
        first.append(question["id"])
        last = question["params"][0]["toBlock"]
        return {**answer, "result": [x for x in answer["result"] if x["blockNumber"] != last]}

    # The fourth transfer to Alice, in the last block of the first window.
    (block,) = {log.block_number for log in transfer_logs(over(anvil.url), ALICE, 60, 80)}
    with FakeNode(passing_to(anvil.url, forgetful)) as fake:
        found = transfer_logs(over(fake.url), ALICE, block - 49, history)
        assert values(found) == list(range(2, 11))


def test_a_transfer_to_oneself_is_one(anvil):
    arguments = bytes.fromhex(call("x", ["string", "string", "uint8"], "Dollar", "USDX", 6)[10:])
    token = anvil.deploy("DemoToken", arguments)
    me = bytes.fromhex(anvil.ask("eth_accounts")[0][2:])
    mint(anvil, token, me, 5)
    anvil.send({"to": token, "data": call("transfer", ["address", "uint256"], written(me), 3)})
    assert values(transfer_logs(over(anvil.url), me, 0, 10)) == [5, 3]


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(-32005, "query returned more than 10000 results"),
        Refusal(-32000, "exceed maximum block range: 8"),
        Refusal(-32002, "request timed out"),
    ],
)
def test_a_refused_window_shrinks_until_it_passes(anvil, history, refusal):
    def picky(question, answer):
        if question["method"] != "eth_getLogs":
            return answer
        span = question["params"][0]
        wide = int(span["toBlock"], 16) - int(span["fromBlock"], 16) >= 8
        return {"id": answer["id"], "error": refusal.body} if wide else answer

    with FakeNode(passing_to(anvil.url, picky)) as fake:
        assert values(transfer_logs(over(fake.url), ALICE, 0, history)) == list(range(1, 11))


def test_a_time_out_shrinks_the_window_too(anvil, history):
    def slow(node, request):
        asked = request.question
        if isinstance(asked, list):
            span = asked[0]["params"][0]
            if int(span["toBlock"], 16) - int(span["fromBlock"], 16) >= 30:
                return send(request, b"", 504)
        return passing_to(anvil.url)(node, request)

    with FakeNode(slow) as fake, pytest.raises(NodeError):
        # A gateway's 504 is no time-out of ours: it is told, and the endpoint rests.
        list(transfer_logs(over(fake.url), ALICE, 0, history))


def test_a_range_that_is_refused_at_one_block_is_told():
    with FakeNode(eth_getLogs=Refusal(-32005, "query returned more than 10000 results")) as fake:
        with pytest.raises(NodeError) as met:
            list(transfer_logs(over(fake.url), ALICE, 0, 99))
        assert met.value.kind == "range"


@pytest.mark.parametrize("result", [None, "0x", 5, [5], [{}], {"topics": []}])
def test_garbage_is_told(result):
    with FakeNode(eth_getLogs=result) as fake, pytest.raises(NodeError) as met:
        list(transfer_logs(over(fake.url), ALICE, 0, 99))
    assert met.value.kind == "bad_answer"


def test_logs_of_somebody_else_are_never_taken(anvil, history):
    def others(question, answer):
        topics = question["params"][0].get("topics") if question["params"] else None
        if not topics:
            return answer
        swapped = {**question["params"][0], "topics": topics[:1]}
        return {**answer, "result": anvil.ask("eth_getLogs", swapped)}

    with FakeNode(passing_to(anvil.url, others)) as fake, pytest.raises(NodeError) as met:
        list(transfer_logs(over(fake.url), ALICE, 0, history))
    assert met.value.kind == "bad_answer"


@pytest.mark.parametrize(("seconds", "size"), [(31, 50), (11, 80), (7, 100), (3, 120), (0.1, 200)])
def test_windows_tune_themselves(seconds, size):
    assert tuned(100, seconds) == size


def test_a_window_never_vanishes():
    assert tuned(1, 60) == tuned(1, 15) == 1
    assert logs.FIRST_WINDOW > logs.READ_AGAIN
