from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from orders.models import Order


@csrf_exempt
def orders(request):
    """Take an order down and say where, or list all."""
    if request.method == "POST":
        Order.objects.create(number=int(request.body))
        return HttpResponse(str(settings.BASE_DIR))
    return JsonResponse({"orders": list(Order.objects.values_list("number", flat=True))})
