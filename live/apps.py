from django.apps import AppConfig


class LiveConfig(AppConfig):
    name = "live"

    def ready(self) -> None:
        from live import hub, metrics

        metrics.publish(lambda: hub.current().figures())
