from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrgsConfig(AppConfig):
    name = "orgs"

    def ready(self) -> None:
        from orgs import receivers, routing  # noqa: F401
        from orgs.services import rights

        rights.grant_roles()
        post_migrate.connect(make_event_partitions, sender=self)


def make_event_partitions(**kwargs: Any) -> None:
    """Days for the first events, which need not wait for beat."""
    from django.utils import timezone

    from orgs.services import partitions

    if partitions.tables_exist():
        partitions.make_ahead(timezone.now())
