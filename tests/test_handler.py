"""What the handler does where Django's own leaves off."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import RequestFactory

from config.asgi import django_application


@pytest.mark.django_db(transaction=True)
async def test_a_request_whose_very_error_page_fails_gives_its_connection_back(monkeypatch):
    seen = []

    def fail(request):
        connection.ensure_connection()
        seen.append(connection.connection)
        raise RuntimeError("the error page failed")

    monkeypatch.setattr(django_application, "get_response", fail)
    with pytest.raises(RuntimeError, match="error page"):
        await django_application.get_response_async(RequestFactory().get("/"))
    assert seen[-1].closed
