"""The coins that the simulated services list: some by their names, the rest made up."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

COINS: Final = 620


class Coin(NamedTuple):
    number: int
    symbol: str
    name: str
    price: float
    supply: float


# Symbol, name, price in USD, supply: invented figures of a believable size.
KNOWN: Final = (
    ("BTC", "Bitcoin", 84359.8123, 20_010_493),
    ("ETH", "Ethereum", 2771.0451, 120_912_345),
    ("USDT", "Tether", 0.9998, 184_000_000_000),
    ("XRP", "XRP", 1.9231, 60_000_000_000),
    ("BNB", "BNB", 812.44, 138_000_000),
    ("SOL", "Solana", 127.31, 560_000_000),
    ("USDC", "USD Coin", 1.0001, 69_000_000_000),
    ("TRX", "TRON", 0.2741, 94_700_000_000),
    ("DOGE", "Dogecoin", 0.14512, 152_000_000_000),
    ("ADA", "Cardano", 0.40122, 36_000_000_000),
    ("LINK", "Chainlink", 12.1842, 680_000_000),
    ("BCH", "Bitcoin Cash", 541.23, 19_960_000),
    ("XLM", "Stellar", 0.24561, 32_000_000_000),
    ("LTC", "Litecoin", 83.17, 76_600_000),
    ("AVAX", "Avalanche", 13.2841, 427_000_000),
    ("SUI", "Sui", 1.3842, 3_700_000_000),
    ("HBAR", "Hedera", 0.13412, 42_400_000_000),
    ("SHIB", "Shiba Inu", 0.0000079312, 589_000_000_000_000),
    ("DOT", "Polkadot", 2.3144, 1_640_000_000),
    ("UNI", "Uniswap", 6.1241, 630_000_000),
    ("XMR", "Monero", 352.1, 18_446_744),
    ("ETC", "Ethereum Classic", 13.842, 154_000_000),
    ("PEPE", "Pepe", 0.0000041271, 420_690_000_000_000),
    ("AAVE", "Aave", 168.42, 15_300_000),
    ("NEAR", "NEAR Protocol", 1.9421, 1_280_000_000),
    ("ATOM", "Cosmos", 2.4712, 480_000_000),
    ("FIL", "Filecoin", 1.6231, 700_000_000),
    ("ALGO", "Algorand", 0.13942, 8_800_000_000),
    ("BONK", "Bonk", 1.2e-07, 88_000_000_000_000_000),
    ("@LFG", "At Sign", 0.0421, 9_000_000_000),
)


def universe(seed: int) -> list[Coin]:
    """The coins there are, by market capitalisation."""
    dice = random.Random(seed)
    coins = [Coin(i + 1, *facts) for i, facts in enumerate(KNOWN)]
    cap = 3.0e8
    for number in range(len(KNOWN) + 1, COINS + 1):
        cap *= 1 - dice.uniform(0.002, 0.014)
        price = float(f"{10 ** dice.uniform(-4, 2):.6g}")
        coins.append(Coin(number, f"C{number:03d}", f"Coin {number}", price, round(cap / price)))
    return sorted(coins, key=lambda coin: -coin.price * coin.supply)
