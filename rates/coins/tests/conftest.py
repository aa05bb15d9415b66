from rates.coins.tests.market import upstream

__all__ = ["upstream"]
