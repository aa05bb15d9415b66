from django.apps import AppConfig


class RatesConfig(AppConfig):
    name = "rates"

    def ready(self) -> None:
        from rates import checks, routing  # noqa: F401
        from rates.services import rights

        rights.grant_roles()
