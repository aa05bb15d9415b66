"""Several endpoints as one: who is asked, who rests, and what is told when nobody can."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from foundation.evm import nodes as module
from foundation.evm.node import Endpoint, NodeError
from foundation.evm.nodes import Nodes
from foundation.tests.fake_node import FakeNode, Refusal, refusing, saying

NUMBER = "eth_blockNumber"
BALANCE = "eth_getBalance"


class Clock:
    """Stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    time = monotonic


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def fakes():
    with ExitStack() as stack:
        yield lambda *respond, **answers: stack.enter_context(FakeNode(*respond, **answers))


def over(*fakes, **options):
    points = [Endpoint(f"n{i}", fake.url, **options) for i, fake in enumerate(fakes)]
    return Nodes(points, chain_id=1, deadline=2)


def error_of(question):
    with pytest.raises(NodeError) as met:
        question()
    return met.value


def test_the_first_endpoint_answers_alone(fakes):
    first, second = fakes(eth_blockNumber="0x1"), fakes(eth_blockNumber="0x2")
    assert over(first, second).call(NUMBER) == "0x1"
    assert second.questions == []


@pytest.mark.parametrize("weather", [saying(b"", 503), saying(b"", 429), saying(b"<html>")])
def test_a_failing_endpoint_is_passed_over_and_rests(fakes, clock, weather):
    first, second = fakes(weather), fakes(eth_blockNumber="0x2")
    nodes = over(first, second)
    assert [nodes.call(NUMBER) for _ in range(3)] == ["0x2"] * 3
    assert len(first.questions) == 1
    clock.now += 10
    first.respond, first.answers[NUMBER] = FakeNode.respond_properly, "0x1"
    assert nodes.call(NUMBER) == "0x1"
    assert nodes.states()[0].cooldown_until is None


def test_retry_after_is_honoured_and_has_a_lid(fakes, clock):
    first, second = fakes(saying(b"", 429, Retry_After="60")), fakes(eth_blockNumber="0x2")
    nodes = over(first, second)
    nodes.call(NUMBER)
    assert nodes.states()[0].cooldown_until == pytest.approx(clock.now + 60)
    clock.now += 59
    nodes.call(NUMBER)
    assert len(first.questions) == 1
    clock.now += 2
    first.respond = saying(b"", 429, Retry_After="999999")
    nodes.call(NUMBER)
    assert nodes.states()[0].cooldown_until == clock.now + module.LONGEST_COOL_DOWN


def test_rests_grow_with_every_failure(fakes, clock):
    first, second = fakes(saying(b"", 503)), fakes(eth_blockNumber="0x2")
    nodes, rests = over(first, second), []
    for _ in range(10):
        nodes.call(NUMBER)
        until = nodes.states()[0].cooldown_until
        rests.append(round(until - clock.now, 3))
        clock.now = until
    assert rests[0] < 8
    assert rests[-1] == module.LONGEST_COOL_DOWN
    assert rests == sorted(rests)


def test_the_last_endpoint_is_tried_every_five_seconds(fakes, clock):
    only = fakes(saying(b"", 429, Retry_After="300"))
    nodes = over(only)
    for _ in range(8):
        error_of(lambda: nodes.call(NUMBER))
        clock.now += module.LAST_RESORT
    asked = len(only.questions)
    assert asked == 8
    only.respond, only.answers[NUMBER] = FakeNode.respond_properly, "0x1"
    clock.now -= 1
    problem = error_of(lambda: nodes.call(NUMBER))
    assert (problem.kind, problem.retry_after) == ("rate_limited", module.LAST_RESORT)
    assert len(only.questions) == asked
    clock.now += module.LAST_RESORT
    assert nodes.call(NUMBER) == "0x1"


def test_a_refusal_is_an_answer(fakes):
    first, second = fakes(refusing(3, "execution reverted")), fakes(eth_blockNumber="0x2")
    nodes = over(first, second)
    first.respond = FakeNode.respond_properly
    first.answers[NUMBER] = Refusal(3, "execution reverted")
    assert error_of(lambda: nodes.call(NUMBER)).kind == "refused"
    assert second.questions == []
    assert nodes.states()[0].failures == 0


def test_another_chain_behind_an_address_is_never_asked_for_more(fakes):
    first, second = fakes(eth_chainId="0x5", eth_blockNumber="0x1"), fakes(eth_blockNumber="0x2")
    nodes = over(first, second)
    assert nodes.call(NUMBER) == "0x2"
    assert first.methods == ["eth_chainId"]
    assert nodes.states()[0].last_error == "wrong_chain"
    assert error_of(lambda: over(first).call(NUMBER)).kind == "wrong_chain"


def test_an_endpoint_that_came_back_is_asked_for_its_chain_again(fakes, clock):
    only = fakes(eth_blockNumber="0x1")
    nodes = over(only)
    nodes.call(NUMBER)
    only.respond = saying(b"", 503)
    error_of(lambda: nodes.call(NUMBER))
    only.respond, only.answers["eth_chainId"] = FakeNode.respond_properly, "0x5"
    clock.now += 10
    assert error_of(lambda: nodes.call(NUMBER)).kind == "wrong_chain"


def test_an_endpoint_that_has_no_block_yet_is_not_blamed(fakes):
    first = fakes(eth_getBalance=Refusal(-32000, "unknown block"))
    second = fakes(eth_getBalance="0x7")
    nodes = over(first, second)
    assert [nodes.call(BALANCE) for _ in range(2)] == ["0x7", "0x7"]
    assert len(first.questions) == 3
    assert nodes.states()[0].failures == 0


def test_a_block_that_nobody_has_is_an_orphan_even_if_somebody_is_down(fakes):
    first, second = fakes(saying(b"", 503)), fakes(refusing(-32000, "unknown block"))
    second.respond, second.answers[BALANCE] = (
        FakeNode.respond_properly,
        Refusal(-32000, "unknown block"),
    )
    assert error_of(lambda: over(first, second).call(BALANCE)).kind == "orphan"


NO_ARCHIVE = Refusal(-32002, "project ID does not have access to archive state")


def test_missing_archive_leads_to_the_next_endpoint_and_is_remembered_by_depth(fakes, clock):
    first, second = fakes(eth_getBalance=NO_ARCHIVE), fakes(eth_getBalance="0x7")
    nodes = over(first, second)
    assert nodes.call(BALANCE, needs="archive:100") == "0x7"
    assert nodes.call(BALANCE, needs="archive:50") == "0x7"
    assert first.methods.count(BALANCE) == 1
    # Nearer the head it may well have it.
    first.answers[BALANCE] = "0x6"
    assert nodes.call(BALANCE, needs="archive:101") == "0x6"
    clock.now += module.LEARNED_FOR + 1
    assert nodes.call(BALANCE, needs="archive:50") == "0x6"


def test_an_endpoint_without_archive_is_not_down(fakes):
    first, second = fakes(eth_getBalance=NO_ARCHIVE, eth_blockNumber="0x1"), fakes()
    nodes = over(first, second)
    error_of(lambda: nodes.call(BALANCE, needs="archive:5"))
    assert nodes.call(NUMBER) == "0x1"


def test_probed_depth_spares_the_question(fakes):
    first, second = fakes(), fakes(eth_getBalance="0x7")
    points = [Endpoint("a", first.url, archive_from=1000), Endpoint("b", second.url)]
    assert Nodes(points, chain_id=1).call(BALANCE, needs="archive:999") == "0x7"
    assert first.questions == []


def test_nobody_with_archive_is_told_as_such(fakes):
    assert error_of(
        lambda: over(fakes(), archive_from=9).call(BALANCE, needs="archive:1")
    ).kind == ("no_archive")


def test_a_busy_archive_is_not_told_as_none(fakes):
    """Else somebody would write down that the value cannot be known."""
    first, second = fakes(eth_getBalance=NO_ARCHIVE), fakes(saying(b"", 429))
    nodes = over(first, second)
    for _ in range(2):
        kind = error_of(lambda: nodes.call(BALANCE, needs="archive:5")).kind
        assert kind in ("rate_limited", "unavailable")


def test_a_missing_method_is_remembered(fakes, clock):
    first, second = fakes(), fakes(debug_traceBlockByHash=[])
    nodes = over(first, second)
    for _ in range(2):
        assert nodes.call("debug_traceBlockByHash", "0x", needs="trace") == []
    assert first.methods.count("debug_traceBlockByHash") == 1


def test_only_who_was_found_able_is_asked(fakes):
    first, second = fakes(), fakes(debug_traceBlockByHash=[])
    points = [
        Endpoint("a", first.url, caps=frozenset({"eip1898"})),
        Endpoint("b", second.url, caps=frozenset({"trace"})),
    ]
    assert Nodes(points, chain_id=1).call("debug_traceBlockByHash", needs="trace") == []
    assert first.questions == []


def test_calls_of_a_batch_that_one_cannot_do_are_asked_of_the_next(fakes):
    first = fakes(a=1, b=Refusal(-32601, "Method not found"), c=Refusal(3, "reverted"))
    second = fakes(a=10, b=20, c=30)
    found = over(first, second).batch([("a", []), ("b", []), ("c", [])])
    assert found[:2] == [1, 20]
    assert found[2].kind == "refused"
    assert [method for method in second.methods if method != "eth_chainId"] == ["b"]


def test_what_nobody_can_do_in_a_batch_fails_alone(fakes):
    found = over(fakes(a=1), fakes(a=1)).batch([("a", []), ("b", [])])
    assert found[0] == 1
    assert found[1].kind == "no_method"


def test_a_batch_that_nobody_answers_raises(fakes):
    nodes = over(fakes(saying(b"", 503)), fakes(saying(b"<html>")))
    assert error_of(lambda: nodes.batch([("a", [])])).kind == "unavailable"


def test_without_endpoints_nothing_is_known():
    assert error_of(lambda: Nodes([], chain_id=1).call(NUMBER)).kind == "unavailable"


def test_an_endpoint_that_fails_to_trace_rests_from_tracing_alone(fakes, clock):
    fake = fakes(eth_chainId="0x1", eth_blockNumber="0x1", debug_traceBlockByHash=Refusal(-32005))
    nodes = over(fake)
    for _ in range(2):
        assert error_of(lambda: nodes.call("debug_traceBlockByHash", needs="trace"))
        assert nodes.call(NUMBER) == "0x1"
    asked = [question["method"] for question in fake.questions]
    assert asked.count("debug_traceBlockByHash") == 1
    clock.now += 10
    assert error_of(lambda: nodes.call("debug_traceBlockByHash", needs="trace"))
    assert nodes.states()[0].cooldown_until is None
