"""Pages of the admin site besides Django's own."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    """Say whose site this is and where to sign in; needs no database, so it also answers while that is unwell."""
    return render(request, "staff/front_page.html")
