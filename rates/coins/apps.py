from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class CoinsConfig(AppConfig):
    """Top coins. Their tables belong to the app ``rates``."""

    name = "rates.coins"
    label = "coins"
    verbose_name = "Top coins"

    def ready(self) -> None:
        from rates.coins import receivers, routing  # noqa: F401
        from rates.coins.services import rights, source_book

        rights.grant_roles()
        # Not by a migration: a flushed database has its sources again.
        post_migrate.connect(
            source_book.make_missing,
            sender=apps.get_app_config("rates"),
            dispatch_uid="coins.sources",
        )
