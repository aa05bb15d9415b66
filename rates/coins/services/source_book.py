"""The rows of the sources: one for each adapter, as they begin."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction

from rates.models import CoinSource, CoinSourceState

# CryptoCompare ranks best but needs a paid key; CoinGecko answers without one.
BEGIN_AS: Final[dict[str, dict[str, Any]]] = {
    "coinmarketcap": {
        "price_position": 1,
        "rank_position": 2,
        "monthly_credits": 15_000,
        "key_variable": "COINMARKETCAP_API_KEY",
    },
    "cryptocompare": {"rank_position": 1, "key_variable": "CRYPTOCOMPARE_API_KEY"},
    "coingecko": {
        "price_position": 2,
        "rank_position": 3,
        "key_variable": "COINGECKO_API_KEY",
        "keyless": True,
    },
}


def make_missing(**kwargs: object) -> None:
    """After each migration: sources that are there already stay as an operator has set them."""
    for name, facts in BEGIN_AS.items():
        with transaction.atomic():
            source, _ = CoinSource.objects.get_or_create(name=name, defaults=facts)
            CoinSourceState.objects.get_or_create(source=source)
