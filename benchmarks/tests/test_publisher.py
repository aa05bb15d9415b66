import itertools
from collections import Counter

from benchmarks.payload import PLACEHOLDER, Change, Market, for_hub, for_socketio, pair_codes, stamp
from benchmarks.publisher import Plan, Publisher
from live.messages import PRIORITY, decode

EDIT = Change(pair=7, seq=123, edit=True)


def message(change: Change) -> tuple[str, bytes, bytes]:
    market = Market(pair_codes(), seed=1)
    return (market.codes[change.pair], *market.data_and_meta(change))


def test_a_stamp_takes_the_placeholder_and_moves_nothing():
    code, data, meta = message(EDIT)
    for body in (for_hub(code, EDIT, data, meta), for_socketio(code, data, meta)):
        stamped, at = stamp(body, EDIT)
        assert len(stamped) == len(body)
        assert f"{at}.07.000000123".encode() in stamped
        assert PLACEHOLDER.encode() not in stamped


def test_the_hub_gets_an_edit_as_a_priority_message():
    code, data, meta = message(EDIT)
    read = decode(for_hub(code, EDIT, data, meta))
    assert (read.flag, read.seq, read.key) == (PRIORITY, 123, "C07_USD")


def test_a_message_is_about_as_long_as_a_real_one():
    _, data, meta = message(EDIT)
    assert 450 < len(data) + len(meta) < 750


def test_the_schedule_keeps_the_rates_of_its_plan():
    publisher = Publisher(Plan(url="redis://127.0.0.1:1/0", form="hub"))
    first = itertools.takewhile(lambda item: item[0] <= 20, publisher.schedule())
    count = Counter(kind for _, kind in first)
    assert count["tick"] == 1000
    assert count["alive"] == 20
    assert 30 <= count["edit"] <= 50


def test_every_contender_is_sent_the_same_pairs_in_the_same_order():
    plans = (Plan(url="redis://127.0.0.1:1/0", form=form) for form in ("hub", "socketio"))
    one, other = ([p.random.randrange(50) for _ in range(100)] for p in map(Publisher, plans))
    assert one == other
