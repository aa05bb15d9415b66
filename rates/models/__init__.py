from rates.models.candles import Candle1m
from rates.models.pairs import Pair, PairHalt
from rates.models.spreads import PriceTier, SpreadRule

__all__ = ["Candle1m", "Pair", "PairHalt", "PriceTier", "SpreadRule"]
