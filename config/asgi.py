"""The door of every web process: three lanes.

Websockets go to Channels; a handful of named hot paths go to small ASGI callables; everything else
is Django, which costs about 0.7 ms a request where a bare callable costs 0.02 (DESIGN section 5).
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()
application = django_application
