from dataclasses import replace

from benchmarks.contenders import SOCKETIO, quayside
from benchmarks.desk import PathRow
from benchmarks.push import Row, median_of
from benchmarks.targets import MET, MISSED, NOT_RUN, capacity_verdicts, path_verdicts, push_verdicts


def row(contender: str, *, clients: int = 1000, p50: float = 2.0, p99: float = 5.0) -> Row:
    times = {"count": 10, "p50": p50, "p95": p99, "p99": p99, "max": p99}
    return Row(contender, "main", clients, connected=clients, ticks=times, edits=dict(times))


OURS = row(quayside().name)
THEIRS = row(SOCKETIO.name)


def results(rows: list[Row]) -> list[str]:
    return [verdict.result for verdict in push_verdicts(rows)][:3]


def test_a_target_without_its_rows_is_not_run():
    assert results([]) == [NOT_RUN] * 3
    assert results([OURS]) == [NOT_RUN, NOT_RUN, MET]


def test_no_slower_allows_a_tie_and_ahead_does_not():
    assert results([OURS, THEIRS]) == [MET, MISSED, MET]


def test_a_better_median_does_not_hide_a_worse_p99():
    assert results([row(quayside().name, p50=1.0, p99=6.0), THEIRS]) == [MET, MISSED, MET]


def test_times_of_a_crowd_that_was_not_all_there_count_for_nothing():
    alone = replace(row(quayside().name, p50=0.1, p99=0.2), connected=1)
    assert results([alone, THEIRS])[:2] == [MISSED, MISSED]


def test_an_edit_that_nobody_saw_is_missed():
    unseen = replace(OURS, edits={"count": 0, "p50": -1, "p95": -1, "p99": -1, "max": -1})
    assert results([unseen, THEIRS])[2] == MISSED


def test_ten_thousand_are_not_all_there_when_one_died():
    whole = row(quayside().name, clients=10_000)
    assert [v.result for v in capacity_verdicts([whole])] == [MET, MET]
    assert capacity_verdicts([replace(whole, died=1)])[0].result == MISSED


def test_an_edit_that_reached_only_some_clients_is_missed():
    fast = {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}
    some = PathRow(100, connected=100, edits=fast, edits_made=10, edits_seen=999)
    assert path_verdicts([some])[1].result == MISSED
    assert path_verdicts([replace(some, edits_seen=1000)])[1].result == MET


def test_a_median_adds_deaths_and_missing_values_instead_of_hiding_them():
    combined = median_of([replace(OURS, died=3), OURS, replace(OURS, missing=2)])
    assert (combined.died, combined.missing, combined.runs) == (3, 2, 3)


def test_a_busy_yardstick_is_said():
    assert replace(OURS, client_cpu=0.9, others_cpu=0.2).doubts == ["client busy", "core shared"]
