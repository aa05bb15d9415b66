"""Fills a fresh database as the demo does, and signs its operator in.

``python -m benchmarks.seed`` prints ``{"pairs": [codes], "session": cookie}``.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import django


def main() -> dict[str, object]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings
    from django.test import Client

    from accounts.models import User
    from demo.home import Home
    from demo.seed import seed
    from rates.models import Pair

    with tempfile.TemporaryDirectory() as folder:
        seed(Home(Path(folder)))
    browser = Client()
    browser.force_login(
        User.objects.get(username="operator"), "django.contrib.auth.backends.ModelBackend"
    )
    pairs = Pair.objects.filter(enabled=True).values_list("code", flat=True)
    return {
        "pairs": list(pairs),
        "session": browser.cookies[settings.SESSION_COOKIE_NAME].value,
    }


if __name__ == "__main__":
    print(json.dumps(main()))
