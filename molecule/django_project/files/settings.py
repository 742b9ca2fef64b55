

import os  # noqa: E402

SECRET_KEY = os.environ.get("SECRET_KEY", "of-a-build")
DEBUG = False
ALLOWED_HOSTS = ["shop.test"]
RELEASE = "one"
INSTALLED_APPS += ["orders"]  # noqa: F821
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "HOST": "/var/run/postgresql",
        "USER": "shop-app",
    }
}
CSRF_TRUSTED_ORIGINS = ["https://shop.test"]
STATIC_ROOT = BASE_DIR / "staticfiles"  # noqa: F821
MEDIA_ROOT = os.environ.get("MEDIA_ROOT", "")
CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
