from rates.models.candles import Candle1m
from rates.models.coins import CoinAlias, CoinPoint, CoinSnapshot, CoinSource, CoinSourceState
from rates.models.pairs import Pair, PairHalt
from rates.models.spreads import PriceTier, SpreadRule
from rates.models.webhooks import CoinMoveBase, Webhook, WebhookDelivery, WebhookEvent

__all__ = [
    "Candle1m",
    "CoinAlias",
    "CoinMoveBase",
    "CoinPoint",
    "CoinSnapshot",
    "CoinSource",
    "CoinSourceState",
    "Pair",
    "PairHalt",
    "PriceTier",
    "SpreadRule",
    "Webhook",
    "WebhookDelivery",
    "WebhookEvent",
]
