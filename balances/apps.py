from django.apps import AppConfig


class BalancesConfig(AppConfig):
    name = "balances"

    def ready(self) -> None:
        from balances import receivers, routing  # noqa: F401
        from balances.services import rights

        rights.grant_roles()
