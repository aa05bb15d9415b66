"""The services that list coins, by name."""

from __future__ import annotations

from typing import Final

from rates.coins.sources.coingecko import CoinGecko
from rates.coins.sources.coinmarketcap import CoinMarketCap
from rates.coins.sources.cryptocompare import CryptoCompare
from rates.coins.sources.listing import Adapter

ADAPTERS: Final[dict[str, type[Adapter]]] = {
    "coinmarketcap": CoinMarketCap,
    "cryptocompare": CryptoCompare,
    "coingecko": CoinGecko,
}
