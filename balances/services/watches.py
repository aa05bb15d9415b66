"""Who watches which address, and under which name. Nobody learns of another's."""

from __future__ import annotations

import re
from typing import Any, Final

from django.db import transaction

from accounts.models import User
from accounts.services import wallets
from balances.constants import balances_topic
from balances.models import Address, Chain, TokenPreference, Watch
from balances.querysets import WatchQuerySet
from balances.services import addresses, lookup, seeding
from balances.services.amounts import address_text
from balances.signals import work_queued
from foundation.commits import after_commit
from foundation.errors import Conflict, InvalidInput, NotFound
from live import control

MAX_WATCHES: Final = 5_000
COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
LENGTHS: Final = {"label": 60, "group": 40}
SWITCHES: Final = ("hidden",)
# What makes a watch the owner's own, so that it stays when its wallet is unlinked.
OWN: Final = ("label", "group", "colour")


def of(user: Any) -> WatchQuerySet:
    """The user's watches, oldest first, with address and chain. Nobody has none."""
    return Watch.objects.visible_to(user).for_display()


def exported(user_id: int) -> list[dict[str, Any]]:
    """The user's watches as plain values, for them to take away."""
    names = ("label", "group", "colour", "hidden", "proven", "added_at")
    rows = Watch.objects.filter(owner=user_id).for_display()
    return [
        {"address": address_text(bytes(row.address.raw)), "chain_id": row.chain_id}
        | {name: getattr(row, name) for name in names}
        for row in rows
    ]


def exported_preferences(user_id: int) -> list[dict[str, Any]]:
    """What the user said of tokens: shown although they look like spam, or hidden."""
    rows = TokenPreference.objects.filter(owner=user_id).select_related("token").order_by("pk")
    return [
        {
            "chain_id": row.token.chain_id,
            "contract": None if row.token.is_native else address_text(bytes(row.token.contract)),
            "shown": row.shown,
        }
        for row in rows
    ]


def get(user: Any, watch_id: int) -> Watch:
    """Raises ``NotFound``, for what is another's too."""
    found = of(user).filter(pk=watch_id).first()
    if found is None:
        raise NotFound("You watch no such address.", code="unknown_watch")
    return found


@transaction.atomic
def add(
    user: User,
    address: str | bytes,
    *,
    label: str = "",
    group: str = "",
    colour: str = "",
    chain: Chain | None = None,
    proven: bool = False,
) -> Watch:
    """Watch an address, on one chain or on all; reading what it holds begins on commit.

    Raises ``InvalidInput``, ``Conflict`` for one that is watched already or one too many, and
    ``RateLimited`` for too many in a day that nobody here followed.
    """
    raw = addresses.parse(address) if isinstance(address, str) else address
    facts = checked({"label": label, "group": group, "colour": colour})
    # Two requests at once would both find room for one more.
    User.objects.select_for_update().get(pk=user.pk)
    if of(user).filter(address__raw=raw, chain=chain).exists():
        raise Conflict(
            "You watch this address already.",
            code="already_watched",
            fields={"address": ["You watch this address already."]},
        )
    if of(user).count() >= MAX_WATCHES:
        raise Conflict(f"At most {MAX_WATCHES:,} addresses.", code="too_many_watches")
    lookup.count_new(user.pk, raw)
    watch = Watch(owner=user, address=_seeded(raw), chain=chain, proven=proven, **facts)
    watch.save()
    return watch


@transaction.atomic
def change(user: User, watch_id: int, **facts: Any) -> Watch:
    """Change ``label``, ``group``, ``colour`` or ``hidden``, whichever are given.

    Raises ``NotFound`` and ``InvalidInput``.
    """
    watch = get(user, watch_id)
    for name, value in checked(facts).items():
        setattr(watch, name, value)
    watch.save(update_fields=list(facts))
    return watch


@transaction.atomic
def remove(user: User, watch_id: int) -> None:
    """Stop watching; pages that listen to the address for this watch hear no more of it.

    What is known of the address stays. Raises ``NotFound``, and ``Conflict`` for a linked wallet.
    """
    watch = get(user, watch_id)
    if watch.proven:
        problem = "This is a wallet of your account. Hide it, or unlink it on the account page."
        raise Conflict(problem, code="linked_wallet")
    watch.delete()
    _hang_up(user.pk, watch.address)


@transaction.atomic
def prove(user_id: int, address: str) -> None:
    """A wallet was linked: its address is watched on every chain. Harmless when repeated."""
    raw = addresses.parse(address)
    Watch.objects.update_or_create(
        owner_id=user_id, address=_seeded(raw), chain=None, defaults={"proven": True}
    )


def settle(user_id: int) -> None:
    """Watch the wallets that are linked, and those that are no more no longer.

    ``prove`` and ``unprove`` do so at once; what they could not do then is made up for here.
    """
    # Watches before wallets: one that is linked meanwhile is proven twice, and never taken away.
    proven = Watch.objects.filter(owner=user_id, proven=True).values_list("address__raw", flat=True)
    watched = {bytes(raw) for raw in proven}
    linked = {addresses.parse(address): address for address in wallets.addresses_of(user_id)}
    for raw in linked.keys() - watched:
        prove(user_id, linked[raw])
    for raw in watched - linked.keys():
        unprove(user_id, address_text(raw))


@transaction.atomic
def unprove(user_id: int, address: str) -> None:
    """A wallet was unlinked: its watch goes, unless its owner gave it a name or the like."""
    raw = addresses.parse(address)
    linked = Watch.objects.filter(owner=user_id, address__raw=raw, proven=True)
    for watch in linked.select_related("address").select_for_update(of=("self",)):
        if any(getattr(watch, name) for name in OWN):
            watch.proven = False
            watch.save(update_fields=["proven"])
        else:
            watch.delete()
            _hang_up(user_id, watch.address)


def forget(user_id: int) -> None:
    """The account is closed: nothing tells any more whom its owner watched."""
    Watch.objects.filter(owner=user_id).delete()
    TokenPreference.objects.filter(owner=user_id).delete()


def _seeded(raw: bytes) -> Address:
    (address,) = seeding.follow([raw])
    after_commit(work_queued.send, sender=Watch)
    return address


def _hang_up(user_id: int, address: Address) -> None:
    """Unless another watch of theirs is of the same address."""
    if Watch.objects.filter(owner=user_id, address=address).exists():
        return
    topic = balances_topic(bytes(address.raw))
    after_commit(control.withdraw, user_id=user_id, topic=topic)


def checked(facts: dict[str, Any]) -> dict[str, Any]:
    """Raises ``InvalidInput`` naming each value that cannot be."""
    read: dict[str, Any] = {}
    problems: dict[str, list[str]] = {}
    for name, value in facts.items():
        if name in LENGTHS:
            read[name] = value.strip()
            if len(read[name]) > LENGTHS[name] or not read[name].isprintable():
                problems[name] = [f"Use at most {LENGTHS[name]} printable characters."]
        elif name == "colour":
            read[name] = value.strip().lower()
            if read[name] and not COLOUR.fullmatch(read[name]):
                problems[name] = ["Write # and six hex digits, as #1a2b3c."]
        elif name in SWITCHES:
            read[name] = bool(value)
        else:
            problems[name[:64]] = ["This cannot be changed."]
    if problems:
        raise InvalidInput("Check the fields below.", fields=problems)
    return read
