"""What the site's own production settings import."""

from __future__ import annotations

import os

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["pages.test"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{os.environ['DATA']}/db.sqlite3"}}
MEDIA_ROOT = f"{os.environ['DATA']}/media"
