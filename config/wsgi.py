"""Django alone, for servers without ASGI: no pushes, and the fast lane's answers come from views."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
