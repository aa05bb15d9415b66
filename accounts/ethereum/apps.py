from django.apps import AppConfig


class EthereumConfig(AppConfig):
    name = "accounts.ethereum"
    label = "accounts_ethereum"
    verbose_name = "Wallet sign-in"

    def ready(self) -> None:
        from accounts.ethereum import checks  # noqa: F401
