"""Static files are collected when they changed, and only then."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage

from demo import static
from demo.home import Home


@pytest.fixture
def source(settings, tmp_path):
    """A folder with one style sheet, the only one that is found."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "site.css").write_text("body { color: black }")
    settings.STATICFILES_DIRS = [folder]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    return folder


@pytest.fixture
def collect(source, tmp_path):
    home = Home(tmp_path / "home")
    home.create()
    assert staticfiles_storage.exists("site.css") is False
    return lambda: static.collect_if_changed(home, lambda _text: None)


def test_the_second_time_nothing_is_done(collect):
    assert (collect(), collect()) == (True, False)


def test_a_changed_file_is_collected_again(collect, source, settings):
    collect()
    (source / "site.css").write_text("body { color: dimgray }")
    assert collect() is True
    assert "dimgray" in (settings.STATIC_ROOT / "site.css").read_text()


def test_a_removed_file_is_removed_from_what_is_served(collect, source, settings):
    collect()
    (source / "site.css").unlink()
    (source / "other.css").write_text("body { color: black }")
    collect()
    assert not (settings.STATIC_ROOT / "site.css").exists()
