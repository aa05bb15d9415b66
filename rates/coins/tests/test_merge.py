"""Joining rows of several sources: the right coin, no holes, and what gave which field."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from rates.coins.services.merge import Source, merge
from rates.coins.tests.market import listing


def joined(ranks, *prices, aliases=None):
    return merge(ranks, prices, aliases or {})


def shown(result):
    return [(row["rank"], row["symbol"], row["price"]) for row in result.rows]


def test_ranks_of_one_source_take_prices_of_another():
    ranks = Source("cc", [listing("BTC", 1, "100"), listing("ETH", 2, "10")])
    prices = Source("cmc", [listing("ETH", 1, "10.01"), listing("BTC", 2, "100.01")])
    result = joined(ranks, prices)
    assert shown(result) == [(1, "BTC", "100.01"), (2, "ETH", "10.01")]
    assert result.rows[0]["from"] == {"rank": "cc", "price": "cmc"}


def test_ranks_have_no_holes_where_a_coin_has_no_price():
    ranks = Source("cc", [listing("A", 1), listing("B", 2), listing("C", 9)])
    result = joined(ranks, Source("cmc", [listing("A"), listing("C")]))
    assert shown(result) == [(1, "A", "1"), (2, "C", "1")]
    assert result.dropped == {"no price": 1}


def test_a_namesake_at_another_price_is_refused_and_the_right_one_found_below_it():
    ranks = Source("cc", [listing("ETH", 1, "2771")])
    fake, real = listing("ETH", 1, "0.01", key="f"), listing("ETH", 2, "2770", key="r")
    assert shown(joined(ranks, Source("cmc", [fake, real]))) == [(1, "ETH", "2770")]
    refused = joined(ranks, Source("cmc", [fake]))
    assert refused.rows == []
    assert refused.clashes == [("cmc", "ETH")]


def test_after_a_clash_the_next_source_of_prices_is_used():
    ranks = Source("cc", [listing("ETH", 1, "2771")])
    result = joined(
        ranks, Source("cmc", [listing("ETH", 1, "1")]), Source("cg", [listing("ETH", 1, "2769")])
    )
    assert result.rows[0]["from"]["price"] == "cg"


def test_prices_a_fifth_apart_are_still_one_coin():
    ranks = Source("cc", [listing("A", 1, "100")])
    assert joined(ranks, Source("cmc", [listing("A", 1, "80")])).rows
    assert not joined(ranks, Source("cmc", [listing("A", 1, "79.9")])).rows


def test_an_alias_joins_other_symbols_and_forbids_the_namesake():
    aliases = {("cc", "1"): "miota", ("cmc", "9"): "miota", ("cmc", "7"): "other"}
    ranks = Source("cc", [listing("IOT", 1, "1", key="1")])
    right, wrong = listing("IOTA", 5, "9", key="9"), listing("IOT", 1, "1", key="7")
    assert shown(joined(ranks, Source("cmc", [wrong, right]), aliases=aliases)) == [(1, "IOT", "9")]
    assert joined(ranks, Source("cmc", [wrong]), aliases=aliases).rows == []


def test_without_a_price_to_compare_the_best_ranked_namesake_is_taken():
    ranks = Source("cc", [listing("A", 1, None)])
    rows = [listing("A", 900, "5", key="x"), listing("A", 3, "7", key="y")]
    assert shown(joined(ranks, Source("cmc", rows))) == [(1, "A", "7")]


def test_of_two_coins_with_one_symbol_the_better_ranked_stays():
    ranks = Source("cmc", [listing("A", 1, "1"), listing("A", 2, "1"), listing("B", 3, "1")])
    result = joined(ranks, ranks)
    assert shown(result) == [(1, "A", "1"), (2, "B", "1")]
    assert result.dropped == {"same symbol": 1}


def test_figures_come_from_the_next_source_where_the_first_has_none():
    ranks = Source("cc", [listing("A", 1, "1", market_cap="5", change_24h="-1")])
    prices = [
        Source("cmc", [listing("A", 1, "1", change_24h="2")]),
        Source("cg", [listing("A", 1, "1", volume_24h="9")]),
    ]
    row = joined(ranks, *prices).rows[0]
    assert (row["change_24h"], row["volume_24h"], row["market_cap"]) == ("2", "9", "5")
    assert row["change_7d"] is None
    assert row["from"] == {
        "rank": "cc",
        "price": "cmc",
        "change_24h": "cmc",
        "volume_24h": "cg",
        "market_cap": "cc",
    }


rows = st.lists(
    st.tuples(
        st.sampled_from("ABCDEFG"),
        st.one_of(st.none(), st.integers(1, 50)),
        st.one_of(st.none(), st.sampled_from(["1", "1.1", "50", "0.003"])),
    ),
    max_size=20,
)


@given(rows, rows)
def test_whatever_comes_ranks_are_whole_and_prices_believable(ranks, prices):
    as_listings = [
        [listing(s, rank, price, key=f"{i}") for i, (s, rank, price) in enumerate(given_rows)]
        for given_rows in (ranks, prices)
    ]
    result = joined(Source("r", as_listings[0]), Source("p", as_listings[1]))
    assert [row["rank"] for row in result.rows] == list(range(1, len(result.rows) + 1))
    assert len({row["symbol"] for row in result.rows}) == len(result.rows)
    assert all(Decimal(row["price"]) > 0 for row in result.rows)
