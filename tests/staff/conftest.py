"""A staff member with a browser. (Imports wait: this file is read before Django is set up.)"""

import pytest


@pytest.fixture
def boss():
    """A staff account."""
    from gesso.accounts.models import User

    return User.objects.create_user("boss@example.com", is_staff=True)


@pytest.fixture
def browser(boss):
    """The staff member's browser."""
    from tests.staff.shop import browser_of

    return browser_of(boss)


@pytest.fixture
def shop():
    """A workspace with a generation that was partly delivered, from a reference."""
    from tests.staff.shop import stock

    return stock(email="the-shop@example.com")  # no digits: a search for a number must not find it
