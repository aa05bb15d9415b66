"""The fast lane over a real socket: the same answers as Django, and what it leaves to Django."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from uvicorn import Server

from config.serve import listen, server_config
from live import hub, topics
from rates import fastlane
from rates.constants import TOPIC
from rates.tests.desk import make_pair
from rates.tests.quotes import message, publish

DEADLINE = 15.0
URL = "/api/v1/rates"
pytestmark = pytest.mark.django_db(transaction=True)


def eventually(reached):
    deadline = time.monotonic() + DEADLINE
    while not (found := reached()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


@contextmanager
def web_process():
    hub.install(hub.Hub(topics.registered().values()))
    (listener,), server = listen("127.0.0.1", 0), Server(server_config())
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    try:
        eventually(lambda: hub.current().ready)
        port = listener.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        hub.install(None)


@pytest.fixture
def web():
    fastlane._window.ends = 0.0
    make_pair("BTC_USD", position=0)
    make_pair("ETH_USD", position=1)
    publish(message(seq=1), message("ETH_USD", seq=2, position=1))
    with web_process() as client:
        eventually(lambda: len(hub.current().latest(TOPIC)) == 2)
        yield client


def fast(path=URL, **headers):
    """Whether the fast lane would answer a GET."""
    url, _, query = path.partition("?")
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": "GET", "path": url, "query_string": query.encode(), "headers": pairs}
    return fastlane.takes(scope)


def fast_answers(web, path=URL, headers=None):
    """The answer, and that of Django to the same question in another order of bytes."""
    headers = {"Accept-Encoding": "identity"} | (headers or {})
    through = web.get(path, headers=headers)
    joined = "&" if "?" in path else "?"
    # An empty parameter that Django's parser skips is one the fast lane does not take.
    beside = web.get(f"{path}{joined}&", headers=headers)
    return through, beside


@pytest.mark.parametrize(
    "query", ["", "?format=json", "?pairs=ETH_USD", "?pairs=ETH_USD,BTC_USD,ETH_USD"]
)
def test_both_lanes_answer_with_the_same_bytes_and_tag(web, query):
    assert fast(URL + query)
    lane, django = fast_answers(web, URL + query)
    assert (lane.status_code, django.status_code) == (200, 200)
    assert lane.content == django.content
    for name in ("etag", "content-type", "cache-control"):
        assert lane.headers[name] == django.headers[name]
    assert "content-security-policy" not in lane.headers
    assert "content-security-policy" in django.headers


@pytest.mark.parametrize("query", ["?pairs=NO_SUCH", "?pair=BTC_USD", "?pairs=", "?pairs=%FF"])
def test_mistakes_are_judged_by_django(web, query):
    assert not fast(URL + query)
    assert web.get(URL + query).status_code in (400, 404)


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "text/csv", "image/png"]
)
def test_other_formats_are_left_to_django(web, accept):
    assert not fast(accept=accept)
    assert fast(accept="application/json, text/plain, */*")


def test_a_token_is_judged_by_django(web):
    token = {"Authorization": "Bearer qs_" + "a" * 43}
    assert not fast(**token)
    refused = web.get(URL, headers=token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_token")


def test_the_held_board_is_not_sent_again_until_it_changes(web):
    tag = web.get(URL).headers["etag"]
    held = web.get(URL, headers={"If-None-Match": tag})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", tag)
    publish(message(seq=3))
    changed = eventually(
        lambda: (r := web.get(URL, headers={"If-None-Match": tag})).status_code == 200 and r
    )
    assert changed.json()["meta"]["BTC_USD"]["seq"] == 3


def test_a_head_request_has_the_length_but_no_body(web):
    for coding in ("identity", "gzip"):
        asked = {"Accept-Encoding": coding}
        head, got = web.head(URL, headers=asked), web.get(URL, headers=asked)
        assert head.content == b""
        assert head.headers["content-length"] == got.headers["content-length"]


def test_a_compressed_body_says_the_same_under_a_weak_tag(web):
    plain = web.get(URL, headers={"Accept-Encoding": "identity"})
    packed = web.get(URL, headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_either_tag_spares_either_body_in_both_lanes(web, coding):
    tag = web.get(URL, headers={"Accept-Encoding": coding}).headers["etag"]
    for accepted in ("identity", "gzip"):
        headers = {"If-None-Match": tag, "Accept-Encoding": accepted}
        for answer in fast_answers(web, headers=headers):
            assert (answer.status_code, answer.content) == (304, b"")
            assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("coding", ["", "br", "gzip;q=0", "GZIP ; Q=0.000", "*", "xgzip"])
def test_whoever_does_not_name_gzip_gets_the_plain_body(coding):
    assert not fastlane.takes_gzip(coding)
    assert fastlane.takes_gzip("deflate, GZip; q=0.5")
    assert not fastlane.takes_gzip(None)


def test_a_board_is_compressed_once_for_each_version(web):
    first = web.get(URL).headers["etag"]
    ready = fastlane._ready
    kept = ready.packed[b""]
    web.get(URL)
    assert ready.packed[b""] is kept
    publish(message(seq=9))
    eventually(lambda: web.get(URL).headers["etag"] != first)
    assert ready.packed[b""] != kept


def test_a_board_of_twenty_pairs_is_small_when_compressed():
    hearing = hub.Hub(topics.registered().values())
    hub.install(hearing)
    try:
        for seq in range(20):
            quote = message(
                f"C{seq}_USD", seq=seq, position=seq, buy=f"{7919 * seq + 13}.7{seq % 10}"
            )
            hearing.fans[TOPIC].hear(quote)
        body, _ = fastlane._ready.answer(b"") or (b"", "")
        assert len(body) > 5_000
        assert len(fastlane._ready.pack(b"", body)) < 1_500
    finally:
        hub.install(None)


def test_posting_goes_to_django_and_is_refused(web):
    response = web.post(URL)
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


def test_silence_withdraws_the_quotes_here_too(web):
    hub.current().fans[TOPIC].board.heard_at -= 60
    stale = eventually(lambda: (r := web.get(URL)).headers["etag"].endswith('-stale"') and r)
    assert {pair["withSpread"] for pair in stale.json()["data"].values()} == {None}


def test_too_many_requests_are_refused_as_django_refuses_them(web, settings):
    rates = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"anon": "2/min"}
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": rates}
    assert [web.get(URL).status_code for _ in range(3)] == [200, 200, 429]
    refused = web.get(URL)
    assert refused.json()["error"]["code"] == "rate_limited"
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_plain_http_is_left_to_django_where_https_is_required(web, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert not fast()
    assert fast(**{"X-Forwarded-Proto": "https"})


def test_a_hub_that_has_heard_nothing_leaves_the_answer_to_django():
    with web_process() as client:
        assert not fast()
        assert client.get(URL).json()["error"]["code"] == "no_quote"


def test_what_the_fast_lane_answers_is_timed_and_what_it_leaves_is_not(web):
    def timed():
        families = text_string_to_metric_families(web.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        name = "quayside_fast_lane_seconds_count"
        return {s.labels["lane"]: s.value for s in samples if s.name == name}.get("rates", 0)

    before = timed()
    web.get(URL)
    web.get(URL)
    web.get(URL, headers={"Accept": "text/html"})
    assert timed() == before + 2
