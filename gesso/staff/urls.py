"""Every address below `/staff/`."""

from django.urls import path

from gesso.staff import accounts, generations, images
from gesso.staff import credits as ledger_rows
from gesso.staff.site import site

for _room in (accounts, generations, ledger_rows, images):
    _room.register(site)

urlpatterns = [path("", site.urls)]
