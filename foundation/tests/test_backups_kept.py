"""Only backups are deleted, and never the newest."""

from foundation.backups import taking


def test_the_newest_backups_are_kept_and_nothing_else_is_touched(tmp_path):
    days = [f"202611{day}T014000Z" for day in (18, 19, 20, 21)]
    for name in (*days, "by-hand", ".20261122T014000Z.partial"):
        (tmp_path / name).mkdir()
    (tmp_path / days[0] / taking.DUMP).write_text("rows")
    assert taking.forget(tmp_path, 2) == [tmp_path / days[1], tmp_path / days[0]]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*days[2:], "by-hand", ".20261122T014000Z.partial"}
    taking.forget(tmp_path, 0)
    assert (tmp_path / days[3]).is_dir()
