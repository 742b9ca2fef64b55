from __future__ import annotations

import sys

from django.core.management.base import BaseCommand

from orders.models import Tick


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("what", nargs="?", default="tidy")

    def handle(self, what, **options):
        Tick.objects.create(what=what)
        if what == "fail":
            sys.exit(3)
