"""Top coins over a real socket: the fast lane's answers, and what it leaves to Django."""

import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from uvicorn import Server

from config.serve import listen, server_config
from live import hub, topics
from rates.coins import fastlane
from rates.coins.constants import TOPIC
from rates.coins.services import board
from rates.coins.tests.market import put

DEADLINE = 15.0
URL = "/api/v1/coins"
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
        headers = {"accept": "*/*", "accept-encoding": "identity"}
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, trust_env=False, headers=headers) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        hub.install(None)


@pytest.fixture
def web():
    fastlane.window.ends, fastlane._heard = 0.0, 0
    board.memory.forget()
    put(*[f"C{number}" for number in range(300)])
    with web_process() as client:
        yield client
    board.memory.forget()


def fast(path=URL, **headers):
    """Whether the fast lane would answer a GET now."""
    url, _, query = path.partition("?")
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": "GET", "path": url, "query_string": query.encode(), "headers": pairs}
    return fastlane.takes(scope)


def is_fast(response):
    """Django's answers carry a content policy, the lane's do not."""
    return "content-security-policy" not in response.headers


@pytest.mark.parametrize(
    "path",
    [
        URL,
        f"{URL}?limit=10",
        f"{URL}?limit=500&format=json",
        f"{URL}?format=csv&limit=3",
        f"{URL}?fields=name,market_cap",
        "/coins.csv",
        "/coins.csv?limit=7",
        "/api/v1/coins.csv?fields=name",
    ],
)
def test_both_lanes_answer_with_the_same_bytes_tag_and_headers(web, path):
    board.memory.forget()
    django = web.get(path)
    assert not is_fast(django)
    lane = web.get(path)
    assert is_fast(lane)
    assert lane.content == django.content
    for name in ("etag", "content-type", "cache-control", "x-data-stale", "x-rank-hash"):
        assert lane.headers[name] == django.headers[name]


def test_text_csv_is_taken_and_anything_to_weigh_is_not(web):
    web.get(URL)
    assert web.get(URL, headers={"accept": "text/csv"}).text.startswith("Rank,")
    assert not fast(accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert not fast(accept="image/png")
    assert fast(accept="application/json")


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=501",
        "?limit=abc",
        "?limit=1&limit=2",
        "?fields=colour",
        "?fields=",
        "?x=1",
    ],
)
def test_mistakes_are_judged_by_django(web, query):
    web.get(URL)
    for path in (URL, "/coins.csv"):
        assert not fast(path + query)
        answer = web.get(path + query)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_a_token_is_judged_by_django(web):
    web.get(URL)
    refused = web.get(URL, headers={"Authorization": "Bearer qs_" + "a" * 43})
    assert refused.status_code == 401


def test_a_header_that_comes_twice_is_judged_by_django(web):
    tag = web.get(URL).headers["etag"]
    twice = [("if-none-match", '"other"'), ("if-none-match", tag), ("accept", "*/*")]
    answer = web.get(URL, headers=twice)
    assert not is_fast(answer)
    assert answer.status_code == 304


def test_what_is_held_is_not_sent_again(web):
    web.get(URL)
    tag = web.get(URL).headers["etag"]
    held = web.get(URL, headers={"if-none-match": tag})
    assert is_fast(held)
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", tag)


def test_gzip_is_the_same_list_under_a_weak_tag(web):
    plain = web.get(URL)
    packed = eventually_fast(web, {"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["etag"] == "W/" + plain.headers["etag"]


def eventually_fast(web, headers):
    return eventually(lambda: r if is_fast(r := web.get(URL, headers=headers)) else None)


def test_head_has_headers_and_no_body(web):
    web.get(URL)
    head = web.head(URL)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 1000


def test_a_new_list_is_served_without_anybody_asking_django(web):
    web.get(URL)
    after = put(*[f"C{number}" for number in range(299, -1, -1)])
    # Whoever was told of the change and asks at once gets the list that it told of.
    eventually(lambda: hub.current().latest(TOPIC)["price"].seq == after.version)
    assert after.hash in web.get(URL).text


def test_a_process_that_heard_nothing_looks_by_itself(web):
    web.get(URL)
    after = put(*[f"C{number}" for number in range(299, -1, -1)])
    fastlane._heard = after.version
    board.memory.checked = time.monotonic() - 2  # older than believed, younger than served
    answer = eventually(lambda: r if after.hash in (r := web.get(URL)).text else None)
    assert answer.json()["data"][0]["symbol"] == "C299"


def test_an_address_that_asks_too_often_has_to_wait(web, settings):
    web.get(URL)
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "anon": "3/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    fastlane.window.ends = 0.0
    answers = [web.get(URL) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
