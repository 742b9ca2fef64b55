"""What mod_wsgi serves: the admin site, with its database brought up to date first."""

import fcntl
import os

from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "staff.settings")
application = get_wsgi_application()

# During a rolling restart the old and the new process start close together: one migrates, the other waits.
with (settings.DATA / "migrate.lock").open("w", encoding="utf-8") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    call_command("migrate", interactive=False, verbosity=0)
