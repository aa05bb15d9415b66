from django.apps import AppConfig


class CoinsConfig(AppConfig):
    """Top coins. Their tables belong to the app ``rates``."""

    name = "rates.coins"
    label = "coins"

    def ready(self) -> None:
        from rates.coins import routing  # noqa: F401
