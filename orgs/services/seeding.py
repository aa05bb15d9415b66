"""Organisations by the hundred thousand, for demos and for measuring: names made of plain words."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from foundation.errors import Unavailable
from orgs.services import board
from orgs.services.organisations import slug_stem


def words(text: str) -> list[str]:
    return text.split()


FIRST: Final = words("""
    Acme Alder Amber Anchor Apex Arbor Argent Ash Aster Atlas Aurora Azure Banner Basalt
    Bay Beacon Birch Blue Bolt Borough Bramble Bridge Bright Brook Calder Canopy Cardinal
    Cascade Cedar Cinder Clear Cliff Cobalt Compass Copper Coral Crest Crown Delta Drift
    Dune East Echo Elm Ember Emerald Estuary Falcon Fathom Fern Field First Fjord Flint
    Forge Fox Gable Garnet Glacier Global Golden Granite Green Grove Gulf Harbour Hazel
    Heath Heron High Hollow Horizon Indigo Iron Island Ivory Jade Juniper Keel Kestrel
    Kite Lagoon Lantern Larch Laurel Ledger Lighthouse Linden Lumen Lunar Lynx Maple
    Marble Marina Meadow Meridian Mesa Mill Mistral Moor Mosaic Nimbus North Nova Oak
    Ocean Onyx Opal Orchard Orion Osprey Otter Palm Paper Pearl Pebble Pier Pine Pioneer
    Polar Poplar Prairie Prism Quarry Quartz Quay Raven Red Reef Ridge River Rowan Russet
    Sable Saffron Sage Sand Sapphire Shale Signal Silver Slate Solar South Spruce Stellar
    Sterling Stone Summit Swift Teal Tern Thistle Tidal Timber Topaz Trellis Tundra Upland
    Vale Verdant Vertex Violet Vista Walnut Water West Wharf White Willow Wind Wren Yarrow
    Yew Zenith Zephyr
""")
SECOND: Final = words("""
    Advisory Analytics Asset Audio Aviation Bakery Bio Brewing Capital Ceramics Chemical
    Cloud Coffee Commerce Construction Credit Dairy Data Dental Design Digital Dynamics
    Electric Energy Engineering Exchange Farms Fashion Film Finance Fisheries Foods
    Foundry Freight Furniture Gaming Glass Grain Health Hospitality Instruments Insurance
    Interiors Kitchens Labs Laundry Leather Leisure Lending Lighting Logistics Machine
    Marine Market Materials Media Medical Metals Mining Mobile Mobility Motor Music
    Networks Optics Organic Outdoor Packaging Partners Payments Pet Pharma Photo Plastics
    Power Press Print Property Publishing Rail Recycling Research Resources Retail
    Robotics Roofing Rubber Security Shipping Software Solutions Sports Steel Storage
    Studio Supply Systems Tea Telecom Textile Tools Toys Trade Travel Trust Vehicle
    Ventures Water Wellness Wine Wireless Works
""")
ENDINGS: Final = words("""
    Holdings Holdings Holdings Holdings Group Group Group Limited Limited GmbH GmbH AG Inc
    Inc Inc SA BV Oy AB AS Co International Collective Cooperative Society Union Worldwide
    Europe Pacific Nordic Iberia Alps Baltic Atlantic
""")
# A few that few searches find.
RARE: Final = ("Zyxqvar", "Kwik")
# While somebody else builds a board.
PATIENCE_SECONDS: Final = 300.0
PAUSE_SECONDS: Final = 0.2
BLOCK: Final = 20_000
ACTIVE_WITHIN_DAYS: Final = 120

COPY_ORGANISATIONS: Final = "COPY orgs_organisation (id, name, slug, created_at) FROM STDIN"
COPY_COUNTERS: Final = "COPY orgs_stat (org_id, actions, last_active_at) FROM STDIN"
TRIGGERS: Final = ("orgs_stat", "orgs_organisation")


def add_organisations(
    count: int, *, seed: int = 1, progress: Callable[[int], None] = lambda done: None
) -> None:
    """Store ``count`` organisations with counters, and build the board. All of them or none.

    Counters begin as if imported: no events stand behind them. ``progress`` hears how many are
    written.
    """
    rng = random.Random(seed)
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        # The board built at the end holds them all; noting each first would take a minute.
        for table in TRIGGERS:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("SELECT coalesce(max(id), 0) FROM orgs_organisation")
        first = cursor.fetchone()[0] + 1
        for start in range(first, first + count, BLOCK):
            stop = min(start + BLOCK, first + count)
            rows = list(organisations(rng, start, stop, now))
            with cursor.copy(COPY_ORGANISATIONS) as out:
                out.write("".join(f"{r[0]}\t{r[1]}\t{r[2]}\t{r[3]}\n" for r in rows))
            with cursor.copy(COPY_COUNTERS) as out:
                out.write("".join(f"{r[0]}\t{r[4]}\t{r[5]}\n" for r in rows))
            progress(stop - first)
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('orgs_organisation', 'id'), %s)",
            [first + count - 1],
        )
        for table in TRIGGERS:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orgs_organisation, orgs_stat")
    _build_board()


def _build_board() -> None:
    """Somebody else's copy may be from before: ours is waited for. Raises ``Unavailable``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while board.build() is None:
        if time.monotonic() > deadline:
            raise Unavailable(
                "Somebody else keeps building the board. Run orgs.build_boards later."
            )
        time.sleep(PAUSE_SECONDS)


def organisations(
    rng: random.Random, start: int, stop: int, now: datetime
) -> Iterator[tuple[int, str, str, str, int, str]]:
    """``(id, name, slug, created_at, actions, last_active_at)``; few of them do most."""
    for number in range(start, stop):
        name = _name(rng, number)
        created = now - timedelta(seconds=rng.randrange(86_400, 3 * 365 * 86_400))
        active = now - timedelta(seconds=rng.randrange(60, ACTIVE_WITHIN_DAYS * 86_400))
        actions = int(rng.paretovariate(0.7))
        slug = f"{slug_stem(name)}-{number}"
        yield (
            number,
            name,
            slug,
            created.isoformat(),
            min(actions, 50_000_000),
            max(active, created).isoformat(),
        )


def _name(rng: random.Random, number: int) -> str:
    first = RARE[number // 10_000 % 2] if number % 10_000 == 7 else rng.choice(FIRST)
    second = rng.choice(SECOND)
    if rng.random() < 0.5:
        return f"{first} {second} {rng.choice(ENDINGS)}"
    return f"{first} {rng.choice(FIRST)} {second}"
