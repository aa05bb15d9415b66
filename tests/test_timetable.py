"""What beat starts is there to be started."""

from config.celery import app


def test_the_timetable_names_tasks_that_exist_and_lets_late_ones_expire(settings):
    app.autodiscover_tasks(force=True)
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] > 0
