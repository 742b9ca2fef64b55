from __future__ import annotations

from django.db import models


class Order(models.Model):
    number = models.IntegerField(unique=True)
    photo = models.FileField(blank=True)
    # By which release's worker, and by which process.
    done = models.CharField(max_length=100, blank=True)


class Tick(models.Model):
    what = models.CharField(max_length=20)
    when = models.DateTimeField(auto_now_add=True)
