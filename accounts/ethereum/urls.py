"""Empty, and needed: allauth mounts the ``urls`` of each provider's package."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
