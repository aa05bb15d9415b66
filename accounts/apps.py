from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import log_receivers, receivers  # noqa: F401
        from accounts.services import roles

        roles.grant_own()
