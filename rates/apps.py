from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RatesConfig(AppConfig):
    name = "rates"

    def ready(self) -> None:
        from rates import checks, routing  # noqa: F401
        from rates.receivers import ensure_operators

        post_migrate.connect(ensure_operators, sender=self, dispatch_uid="rates.operators")
