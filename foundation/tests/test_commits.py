"""What follows a commit may fail, and harms nobody."""

from __future__ import annotations

import pytest
from django.db import transaction

from foundation.commits import after_commit


class Broken:
    """Has no ``__qualname__`` of its own, as signals' bound methods and partials may not."""

    def __call__(self, *given, **facts):
        raise RuntimeError(given, facts)


@pytest.mark.django_db(transaction=True)
def test_what_fails_after_a_commit_is_logged_and_what_comes_next_is_done(caplog):
    done: list[int] = []
    with transaction.atomic():
        after_commit(Broken(), 1, name="x")
        after_commit(done.append, 2)
        assert done == []
    assert done == [2]
    assert "Broken" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_followed_by_nothing():
    done: list[int] = []
    with transaction.atomic():
        after_commit(done.append, 1)
        transaction.set_rollback(True)
    assert done == []
