"""As plain.py, with Django, whose settings are read when it is imported."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import urlsplit

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

DATABASE = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    DEBUG=False,
    SECRET_KEY=os.environ["SECRET_KEY"],
    ALLOWED_HOSTS=["staff.test"],
    ROOT_URLCONF="staff",
    DATABASES={"default": {"ENGINE": "django.db.backends.dummy", "PASSWORD": DATABASE.password}},
)
FOUND = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in os.environ.items()}
FOUND["SECRET_KEY"] = hashlib.sha256(settings.SECRET_KEY.encode()).hexdigest()


def front_page(request: HttpRequest) -> HttpResponse:
    """Tell the digests."""
    return JsonResponse(FOUND)


def fail(request: HttpRequest) -> HttpResponse:
    """Fail where a secret is a local variable."""
    password = settings.DATABASES["default"]["PASSWORD"]
    raise RuntimeError("broken on purpose" if password else "no password")


urlpatterns = [path("", front_page), path("fail", fail)]
application = get_wsgi_application()
