from __future__ import annotations

import os
import time

from celery import shared_task
from django.conf import settings

from .models import Order


@shared_task
def pack(number, seconds):
    time.sleep(seconds)
    Order.objects.filter(number=number).update(done=f"{settings.RELEASE} {os.getppid()}")
