"""What a log line holds, and what must never be in one."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from accounts.models import User
from config.logs import build_logging

REQUESTS = "django_structlog.middlewares.request"


@pytest.fixture
def lines(caplog):
    """The lines of requests, each as the dictionary that becomes JSON."""
    caplog.set_level(logging.INFO, logger=REQUESTS)
    return lambda: [record.msg for record in caplog.records if record.name == REQUESTS]


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_id_path_status_and_duration(client, lines):
    client.get("/accounts/login/")
    (line,) = lines()
    assert (line["event"], line["method"], line["path"], line["status"]) == (
        "request_finished",
        "GET",
        "/accounts/login/",
        200,
    )
    assert line["duration_ms"] >= 0
    assert len(line["request_id"]) == 36


@pytest.mark.django_db
def test_the_line_says_which_user_asked(client, lines):
    user = User.objects.create_user("ann", password="x")
    client.force_login(user)
    client.get("/accounts/email/")
    assert lines()[-1]["user_id"] == user.pk


@pytest.mark.django_db
def test_neither_queries_nor_passwords_nor_one_time_keys_are_written(client, lines):
    client.get("/accounts/login/?token=opensesame")
    client.post("/accounts/login/", {"login": "ann", "password": "opensesame"})
    client.get("/accounts/password/reset/key/1-opensesame/")
    client.get("/accounts/confirm-email/opensesame/")
    assert len(lines()) == 4
    assert "opensesame" not in str(lines())


@pytest.mark.django_db
def test_two_requests_have_two_ids(client, lines):
    client.get("/accounts/login/", headers={"X-Request-ID": "forged"})
    client.get("/accounts/login/")
    first, second = (line["request_id"] for line in lines())
    assert len({first, second, "forged"}) == 3


@pytest.fixture
def json_line():
    """Format a record as production does and read it back."""
    kept = structlog.get_config()
    handler = build_logging(format="json", level="INFO")["formatters"]["lines"]
    formatter = handler.pop("()")(**handler)
    yield lambda record: json.loads(formatter.format(record))
    structlog.configure(**kept)


def test_lines_of_any_library_come_out_as_json(json_line):
    record = logging.LogRecord("celery.worker", logging.INFO, "x", 1, "%s is up", ("it",), None)
    line = json_line(record)
    assert (line["event"], line["level"], line["logger"]) == ("it is up", "info", "celery.worker")
    assert line["timestamp"].endswith("Z")


def test_tracebacks_hold_no_values_of_variables(json_line):
    password = "opensesame"
    try:
        raise ValueError(len(password))
    except ValueError as problem:
        problem_info = (type(problem), problem, problem.__traceback__)
    record = logging.LogRecord("any", logging.ERROR, "x", 1, "failed", (), problem_info)
    line = json_line(record)
    assert "ValueError" in str(line["exception"])
    assert "opensesame" not in json.dumps(line)
