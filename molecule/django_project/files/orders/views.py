from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from shop import queue  # noqa: F401

from . import tasks
from .models import Order


def front(request):
    return HttpResponse(settings.RELEASE)


@csrf_exempt
def order(request, number):
    order = Order.objects.create(number=number, photo=request.FILES.get("photo"))
    tasks.pack.delay(number, float(request.GET.get("seconds", 1)))
    return HttpResponse(f"{settings.RELEASE} {order.photo.size if order.photo else 0}")
