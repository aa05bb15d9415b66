"""Finding a pair by its code, and changing what the feed must know of it."""

from __future__ import annotations

from django.db import transaction

from foundation.errors import NotFound
from rates.models import Pair
from rates.services import spread_table, versions


def by_code(code: str) -> Pair:
    """The enabled pair. Raises ``NotFound`` with the codes there are."""
    known = {pair.code: pair for pair in Pair.objects.quoted()}
    if code not in known:
        shown = ", ".join(known) or "none"
        raise NotFound(f"There is no pair {code[:32]!r}. Known: {shown}.", code="unknown_pair")
    return known[code]


@transaction.atomic
def save(pair: Pair) -> Pair:
    """Store the pair under a new revision and tell the feed."""
    pair.revision = versions.draw()
    pair.save()
    spread_table.publish_on_commit()
    return pair
