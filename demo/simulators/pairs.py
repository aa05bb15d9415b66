"""The twenty pairs the simulated exchange lists, with the levels its walk starts from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

# What the exchange's REST interface still calls some assets.
LEGACY_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
# Its oldest assets carry an X before the name there, and its oldest currencies a Z.
OLD_ASSETS = frozenset({"XBT", "ETH", "LTC", "XLM", "XMR", "XRP"})
OLD_CURRENCIES = frozenset({"USD", "EUR"})

# How far each asset moves in a day, as a fraction (one standard deviation).
DAILY_VOLATILITY = {
    "USD": 0.0,
    "EUR": 0.004,
    "USDT": 0.0002,
    "BTC": 0.028,
    "ETH": 0.038,
    "SOL": 0.05,
    "DOGE": 0.055,
}
OTHER_VOLATILITY = 0.045


@dataclass(frozen=True, slots=True)
class SimulatedPair:
    """``price`` is the starting mid, ``tick`` the smallest step, ``decimals`` its places.

    ``spread_bps`` is the usual gap between bid and ask, ``weight`` how often the pair moves
    compared with the others, ``volume`` what is traded in a day in the base asset.
    """

    symbol: str
    price: Decimal
    tick: Decimal
    spread_bps: float
    weight: int
    volume: int

    @property
    def base(self) -> str:
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.split("/")[1]

    @property
    def decimals(self) -> int:
        return -int(self.tick.as_tuple().exponent)

    @property
    def wsname(self) -> str:
        """The name in ``AssetPairs``, for example ``XBT/USD``."""
        return f"{_rest_name(self.base)}/{_rest_name(self.quote)}"

    @property
    def altname(self) -> str:
        return self.wsname.replace("/", "")

    @property
    def rest_key(self) -> str:
        """The key of results, for example ``XXBTZUSD``; newer assets use ``altname``."""
        base, quote = _rest_name(self.base), _rest_name(self.quote)
        if base not in OLD_ASSETS or quote not in OLD_ASSETS | OLD_CURRENCIES:
            return self.altname
        return f"X{base}{'X' if quote in OLD_ASSETS else 'Z'}{quote}"


def _rest_name(asset: str) -> str:
    return LEGACY_NAMES.get(asset, asset)


def _pair(
    symbol: str, price: str, tick: str, spread_bps: float, weight: int, volume: int
) -> SimulatedPair:
    return SimulatedPair(symbol, Decimal(price), Decimal(tick), spread_bps, weight, volume)


PAIRS: tuple[SimulatedPair, ...] = (
    _pair("BTC/USD", "84359.9", "0.1", 0.02, 12, 2158),
    _pair("ETH/USD", "2771.05", "0.01", 0.05, 9, 31200),
    _pair("SOL/USD", "127.43", "0.01", 0.8, 7, 402000),
    _pair("XRP/USD", "1.93127", "0.00001", 0.6, 6, 38500000),
    _pair("DOGE/USD", "0.1376214", "0.0000001", 1.5, 4, 121000000),
    _pair("ADA/USD", "0.401275", "0.000001", 1.8, 3, 26400000),
    _pair("LINK/USD", "12.31460", "0.00001", 2.5, 3, 412000),
    _pair("AVAX/USD", "13.27", "0.01", 8.0, 2, 288000),
    _pair("LTC/USD", "82.41", "0.01", 2.0, 3, 64500),
    _pair("DOT/USD", "2.3158", "0.0001", 4.0, 2, 1290000),
    _pair("BCH/USD", "545.27", "0.01", 2.0, 2, 6400),
    _pair("XLM/USD", "0.231264", "0.000001", 2.5, 2, 31800000),
    _pair("ATOM/USD", "2.4531", "0.0001", 5.0, 2, 702000),
    _pair("UNI/USD", "6.013", "0.001", 6.0, 2, 318000),
    _pair("TRX/USD", "0.274518", "0.000001", 1.5, 2, 44100000),
    _pair("XMR/USD", "341.26", "0.01", 3.5, 2, 21600),
    _pair("USDT/USD", "0.99962", "0.00001", 0.1, 3, 94200000),
    _pair("BTC/EUR", "73228.2", "0.1", 0.1, 7, 804),
    _pair("ETH/EUR", "2405.42", "0.01", 0.2, 5, 12400),
    _pair("ETH/BTC", "0.03285", "0.00001", 3.0, 3, 2310),
)
