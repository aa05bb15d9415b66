"""One endpoint over real sockets: good weather on a real node, bad weather on a fake one."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from foundation.evm import channel
from foundation.evm.node import Endpoint, Node, NodeError
from foundation.tests.fake_node import FakeNode, Refusal, listed, refusing, saying, send

BLOCK = "eth_blockNumber"


def node_at(url, **options):
    return Node(Endpoint("test", url, **options), deadline=0.5)


def kind_of(respond, **options):
    """The error that one question meets."""
    with FakeNode(respond) as fake, pytest.raises(NodeError) as met:
        node_at(fake.url, **options).call(BLOCK)
    return met.value


def test_a_real_node_answers_one_and_many(anvil):
    node = Node(Endpoint("anvil", anvil.url))
    assert node.call("eth_chainId") == "0x1"
    answers = node.batch([("eth_chainId", []), ("eth_nonsense", []), (BLOCK, [])])
    assert (answers[0], answers[2]) == ("0x1", "0x0")
    assert answers[1].kind == "no_method"


def test_connections_are_kept_and_shared_between_threads():
    with FakeNode(eth_blockNumber="0x1") as fake:
        node = node_at(fake.url)
        assert [node.call(BLOCK) for _ in range(20)] == ["0x1"] * 20
        assert fake.connections == 1
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(node.call, [BLOCK] * 40)) == ["0x1"] * 40
        assert fake.connections <= 4


def test_a_connection_that_was_closed_meanwhile_is_replaced():
    def closing(node, request):
        node.respond_properly(request)
        request.close_connection = True

    with FakeNode(closing, eth_blockNumber="0x1") as fake:
        node = node_at(fake.url)
        assert [node.call(BLOCK) for _ in range(3)] == ["0x1"] * 3


def test_a_forked_process_opens_connections_of_its_own(monkeypatch):
    with FakeNode(eth_blockNumber="0x1") as fake:
        node = node_at(fake.url)
        node.call(BLOCK)
        other = os.getpid() + 1
        monkeypatch.setattr(os, "getpid", lambda: other)
        node.call(BLOCK)
        assert fake.connections == 2


def test_nobody_listening_is_unavailable():
    with FakeNode() as fake:
        url = fake.url
    with pytest.raises(NodeError) as met:
        node_at(url).call(BLOCK)
    assert (met.value.kind, met.value.timed_out) == ("unavailable", False)


def test_silence_ends_at_the_deadline():
    problem = kind_of(lambda node, request: node.released.wait(10))
    assert (problem.kind, problem.timed_out) == ("unavailable", True)


@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 2"]
)
def test_dripping_bytes_extend_nothing(start):
    def drip(node, request):
        request.wfile.write(start)
        request.close_connection = True
        while not node.released.wait(0.05):
            request.wfile.write(b" ")

    begun = time.monotonic()
    problem = kind_of(drip)
    assert (problem.kind, problem.timed_out) == ("unavailable", True)
    # Half a second and the machine's slowness; without a deadline it would never end.
    assert time.monotonic() - begun < 5


def test_a_huge_body_is_not_read(monkeypatch):
    monkeypatch.setattr(channel, "MAX_ANSWER", 1000)
    assert kind_of(saying(b"[" + b" " * 2000 + b"]")).kind == "too_large"


def test_a_huge_body_of_unknown_length_is_cut_off(monkeypatch):
    monkeypatch.setattr(channel, "MAX_ANSWER", 1000)

    def endless(node, request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not node.released.is_set():
            request.wfile.write(b"400\r\n" + b" " * 1024 + b"\r\n")

    assert kind_of(endless).kind == "too_large"


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Welcome</html>",
        b"",
        b"{",
        b"[" * 100_000,
        b"7",
        b"null",
        b"[]",
        b"{}",
        b'{"jsonrpc":"2.0","id":9,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":null,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":0,"error":"no"}',
        b'{"jsonrpc":"2.0","id":0,"error":{"code":"x"}}',
        b"\xff\xfe",
    ],
)
def test_what_no_node_answers_is_a_bad_answer(body):
    assert kind_of(saying(body)).kind == "bad_answer"


def test_a_truncated_answer_is_no_answer():
    def cut(node, request):
        request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"id":0,"result":')
        request.close_connection = True

    assert kind_of(cut).kind in ("bad_answer", "unavailable")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, "bad_answer"),
        (400, "bad_answer"),
        (401, "bad_answer"),
        (403, "rate_limited"),
        (404, "bad_answer"),
        (413, "too_large"),
        (429, "rate_limited"),
        (500, "unavailable"),
        (503, "unavailable"),
    ],
)
def test_a_status_says_what_can_be_done(status, kind):
    assert kind_of(saying(b"<html>", status, Location="http://127.0.0.1:1/")).kind == kind


def test_retry_after_is_told():
    problem = kind_of(saying(b"", 429, Retry_After="7"))
    assert (problem.kind, problem.retry_after) == ("rate_limited", 7.0)


def test_an_error_of_json_rpc_under_another_status_is_read():
    said = json.dumps({"id": 0, "error": {"code": -32000, "message": "missing trie node"}})
    assert kind_of(saying(said.encode(), 400)).kind == "no_archive"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32000, "unknown block", "orphan"),
        (-32000, "hash 0x12 is not currently canonical", "orphan"),
        (-32000, "header for hash not found", "orphan"),
        (-32001, "Resource not found", "orphan"),
        (-32000, "header not found", "no_archive"),
        (-32000, "missing trie node 0123 (path ) state 0x12 is not available", "no_archive"),
        (-32000, "No state available for block 0x12", "no_archive"),
        (-32000, "required historical state unavailable", "no_archive"),
        (4444, "historical state for block 5 is pruned", "no_archive"),
        (-32002, "project ID does not have access to archive state", "no_archive"),
        (-32602, "BlockOutOfRangeError: block height is 9 but requested was 5", "no_archive"),
        (-32002, "", "no_archive"),
        (-32601, "the method debug_traceBlockByHash does not exist/is not available", "no_method"),
        (-32000, "unsupported method", "no_method"),
        (-32005, "query returned more than 10000 results", "range"),
        (-32000, "exceed maximum block range: 5000", "range"),
        (-32005, "daily request count exceeded, request rate limited", "rate_limited"),
        (-32005, "", "rate_limited"),
        (429, "Your app has exceeded its compute units per second capacity", "rate_limited"),
        (-32014, "too many RPC calls in batch", "too_large"),
        (-32007, "batch limit", "too_large"),
        (-32600, "Invalid request", "too_large"),
        (-32003, "response too large", "too_large"),
        (-32000, "out of gas", "too_large"),
        (-32002, "request timed out", "too_large"),
        (3, "execution reverted: missing trie node", "refused"),
        (-32000, "execution reverted: rate limit exceeded", "refused"),
        (-32602, "invalid argument 0", "refused"),
        (-32000, "nonce too low", "refused"),
    ],
)
def test_an_error_is_sorted_by_what_can_be_done(code, message, kind):
    assert kind_of(refusing(code, message)).kind == kind


def test_no_error_repeats_the_address_or_what_the_node_said():
    secret = "k3y-of-somebody"
    with FakeNode(refusing(-32000, f"no access for {secret}")) as fake:
        node = node_at(f"{fake.url}/{secret}?token={secret}")
        with pytest.raises(NodeError) as met:
            node.call(BLOCK)
        assert secret not in f"{met.value!r} {met.value} {node.endpoint!r}"


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", "node:8545", "http://[::1", "http://a:x"]
)
def test_what_is_no_address_is_refused_without_repeating_it(url):
    with pytest.raises(ValueError, match=r"address") as met:
        node_at(url)
    assert not url or url not in str(met.value)


def test_a_name_and_password_in_the_address_are_sent_as_such():
    heard = []

    def listen(node, request):
        heard.append((request.headers["Authorization"], request.headers["Host"]))
        node.respond_properly(request)

    with FakeNode(listen, eth_blockNumber="0x1") as fake:
        node_at(fake.url.replace("//", "//me:p%40ss@")).call(BLOCK)
        assert heard == [("Basic bWU6cEBzcw==", fake.url[7:])]


def batch(node, count):
    return node.batch([("double", [number]) for number in range(count)])


def test_long_batches_are_split_and_keep_their_order():
    with FakeNode(double=lambda number: number * 2) as fake:
        assert batch(node_at(fake.url, batch_max=10), 25) == [number * 2 for number in range(25)]
        assert [len(listed(question)) for question in fake.questions] == [10, 10, 5]


def test_a_batch_answered_in_another_order_is_sorted():
    def shuffled(node, request):
        answers = [node.answer(item) for item in reversed(request.question)]
        send(request, json.dumps(answers).encode())

    with FakeNode(shuffled, double=lambda number: number * 2) as fake:
        assert batch(node_at(fake.url), 5) == [0, 2, 4, 6, 8]


def test_what_a_batch_leaves_out_is_an_error_and_nothing_else_is():
    def partial(node, request):
        answers = [node.answer(item) for item in request.question if item["id"] != 1]
        send(request, json.dumps([*answers, 5, {"id": True, "result": 1}]).encode())

    with FakeNode(partial, double=lambda number: number * 2) as fake:
        first, second, third = batch(node_at(fake.url), 3)
    assert (first, third) == (0, 4)
    assert second.kind == "bad_answer"


def test_one_failing_call_of_a_batch_fails_alone():
    with FakeNode(double=lambda number: Refusal(3, "reverted") if number == 1 else number) as fake:
        first, second, third = batch(node_at(fake.url), 3)
    assert (first, second.kind, third) == (0, "refused", 2)


@pytest.mark.parametrize(
    "refusal",
    [
        saying(b"", 413),
        saying(b'{"id":null,"error":{"code":-32600,"message":"Invalid request"}}'),
        saying(b'[{"id":null,"error":{"code":-32014,"message":"too many calls"}}]'),
    ],
)
def test_a_batch_that_is_too_large_is_halved_and_the_size_kept(refusal):
    def picky(node, request):
        asked = request.question
        (node.respond_properly if len(listed(asked)) <= 3 else refusal_of(node))(request)

    def refusal_of(node):
        return lambda request: refusal(node, request)

    with FakeNode(picky, double=lambda number: number * 2) as fake:
        node = node_at(fake.url, batch_max=12)
        assert batch(node, 12) == [number * 2 for number in range(12)]
        assert node.batch_max == 3
        fake.questions.clear()
        batch(node, 6)
        assert [len(listed(question)) for question in fake.questions] == [3, 3]


def test_a_node_without_batches_is_asked_one_by_one():
    def single(node, request):
        if isinstance(request.question, list):
            return send(request, b'{"id":null,"error":{"code":-32600,"message":"no batches"}}')
        return node.respond_properly(request)

    with FakeNode(single, double=lambda number: number * 2) as fake:
        assert batch(node_at(fake.url, batch_max=8), 5) == [0, 2, 4, 6, 8]


def test_a_batch_that_fails_as_a_whole_raises():
    with FakeNode(saying(b"", 503)) as fake, pytest.raises(NodeError) as met:
        batch(node_at(fake.url), 3)
    assert met.value.kind == "unavailable"


def test_an_empty_batch_asks_nobody():
    with FakeNode() as fake:
        assert node_at(fake.url).batch([]) == []
        assert fake.questions == []


def test_answers_of_two_threads_are_not_mixed():
    gate = threading.Barrier(2, timeout=10)

    def together(node, request):
        gate.wait()
        node.respond_properly(request)

    with FakeNode(together, double=lambda number: number * 2) as fake:
        node = Node(Endpoint("test", fake.url))
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(lambda number: node.call("double", number), range(20)))
    assert found == [number * 2 for number in range(20)]
