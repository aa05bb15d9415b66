"""Sources that lie, stall or send what nothing can hold: no other source suffers from them."""

from __future__ import annotations

import socket
import threading

import pytest

from rates.coins.services import board, refresh
from rates.coins.sources import ADAPTERS, coingecko, coinmarketcap, cryptocompare, download, listing
from rates.coins.sources.listing import Adapter, Fetched, Kind, SourceFailed
from rates.coins.tests import market
from rates.coins.tests.market import START, Clock
from rates.models import CoinSource, CoinSourceState

NUL, HALF = "\x00", "\ud800"


def rows(*symbols):
    return [market.listing(symbol, rank) for rank, symbol in enumerate(symbols, 1)]


@pytest.fixture
def sources(monkeypatch, db):
    """Set what a source answers; every source is keyless and gives prices and ranks."""
    CoinSource.objects.update(
        keyless=True, monthly_credits=None, price_position=1, rank_position=1, enabled=False
    )
    board.memory.forget()

    def answer(name, fetch):
        class Fake(Adapter):
            @classmethod
            def credits(cls, count):
                return 1

            def fetch(self, count):
                return fetch()

        monkeypatch.setitem(ADAPTERS, name, Fake)
        CoinSource.objects.filter(name=name).update(enabled=True)

    yield answer
    board.memory.forget()


def state(name):
    return CoinSourceState.objects.get(source__name=name)


def served():
    return [row["symbol"] for row in board.current().shown.rows]


def read_gecko(text):
    found, unreadable = coingecko.read(download.Answer(200, download.parse(text.encode()), None))
    return Fetched(found, 1, unreadable)


def coin(symbol, more=""):
    return f'{{"id":"{symbol}","symbol":"{symbol}","name":"N","current_price":1{more}}}'


@pytest.mark.parametrize(
    "problem", [OverflowError(34), RecursionError("deep"), AssertionError(), KeyError("x")]
)
def test_whatever_a_source_raises_is_its_own_failure(sources, problem):
    def raising():
        raise problem

    sources("coinmarketcap", raising)
    sources("coingecko", lambda: Fetched(rows("A", "B"), 1))
    outcome = refresh.refresh("price", clock=Clock())
    assert outcome.failed == {"coinmarketcap": Kind.REFUSED}
    assert state("coinmarketcap").message == f"unreadable: {type(problem).__name__}"
    assert served() == ["A", "B"]


def test_a_figure_beyond_all_numbers_costs_no_row(sources):
    text = coin("a", ',"market_cap_rank":1,"market_cap":1e9999999,"total_volume":-1e9999999')
    sources("coingecko", lambda: read_gecko(f"[{text}]"))
    assert refresh.refresh("price", clock=Clock()).failed == {}
    (row,) = board.current().shown.rows
    assert (row["market_cap"], row["volume_24h"]) == (None, None)


def test_a_week_with_a_figure_beyond_all_numbers_is_no_week():
    row = download.parse(coin("a", ',"sparkline_in_7d":{"price":[1,1e9999999,2]}').encode())
    assert coingecko._week(row) is None


@pytest.mark.parametrize("text", ["1e-3000000", "0e-3000000", "1e18", "0." + "1" * 61, "9" * 61])
def test_a_few_characters_never_become_millions_of_digits(text):
    assert listing.figure(download.parse(text.encode())) is None


def test_keys_symbols_names_and_messages_are_what_the_tables_hold(sources):
    row = {"id": f"a{NUL}{HALF}b" * 90, "symbol": "ß" * 32, "name": f"N{HALF}", "current_price": 1}
    found, _ = coingecko.read(download.Answer(200, [row], None))
    sources("coingecko", lambda: Fetched(found, 1))

    def failing():
        raise SourceFailed(Kind.REFUSED, f"no{NUL}{HALF}pe" * 200)

    sources("coinmarketcap", failing)
    refresh.refresh("price", clock=Clock())
    (kept,) = state("coingecko").rows
    assert (kept[0], kept[1], kept[2]) == (("ab" * 90)[:100], "S" * 32, "N")
    assert state("coinmarketcap").message == ("nope" * 200)[:300]


def test_an_absurd_bill_neither_breaks_the_table_nor_eats_the_month(sources):
    coin = {"id": 1, "symbol": "A", "name": "A", "cmc_rank": 1, "quote": {"USD": {"price": 1}}}
    document = {"status": {"error_code": 0, "credit_count": 10**30}, "data": [coin]}
    sources("coinmarketcap", lambda: coinmarketcap.read(download.Answer(200, document, None)))
    sources("coingecko", lambda: Fetched(rows("A"), 10**30))
    assert refresh.refresh("price", clock=Clock()).failed == {}
    assert [state(name).credits for name in ("coinmarketcap", "coingecko")] == [10_000, 10_000]


def test_what_the_tables_refuse_all_the_same_is_that_sources_failure(sources):
    sources("coinmarketcap", lambda: Fetched(rows(f"A{NUL}"), 1))
    sources("coingecko", lambda: Fetched(rows("B"), 1))
    outcome = refresh.refresh("price", clock=Clock())
    assert outcome.failed == {"coinmarketcap": Kind.REFUSED}
    assert served() == ["B"]


def test_a_source_that_is_slow_does_not_hold_back_one_that_has_answered(sources, monkeypatch):
    published, seen = threading.Event(), []
    write = board.write

    def writing(shown):
        written = write(shown)
        published.set()
        return written

    def slow():
        seen.append(published.wait(20))
        return Fetched(rows("B", "A"), 1)

    monkeypatch.setattr(board, "write", writing)
    sources("coinmarketcap", slow)
    sources("coingecko", lambda: Fetched(rows("A", "B"), 1))
    refresh.refresh("price", clock=Clock())
    assert seen == [True]
    assert state("coinmarketcap").fetched_at == START


@pytest.fixture
def trickle():
    """The address of a server that sends its head one byte at a time and never ends it."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    over.set()
    thread.join()
    listener.close()


def test_a_head_that_never_ends_is_given_up_with_the_whole_fetch(trickle, monkeypatch):
    monkeypatch.setattr(download, "DEADLINE", 0.5)
    with pytest.raises(SourceFailed) as failed:
        cryptocompare.CryptoCompare(trickle, key="k").fetch(500)
    assert failed.value.kind is Kind.TIMEOUT
