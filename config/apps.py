"""The wiring's own app: it exists so that its system checks are found."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    label = "quayside_config"

    def ready(self) -> None:
        from config import checks, tracing  # noqa: F401

        tracing.begin()
