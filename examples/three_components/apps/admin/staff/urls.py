"""Addresses of the admin site."""

from django.contrib import admin
from django.urls import path

from staff.views import front_page

admin.site.site_header = admin.site.site_title = "Admin: staff only"
admin.site.site_url = None

urlpatterns = [
    path("", front_page),
    path("admin/", admin.site.urls),
]
