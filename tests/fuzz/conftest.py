"""One sandbox for all tests of a session: it has TensorFlow to import."""

import pytest

from tests.fuzz import sandbox


@pytest.fixture(scope="session")
def box():
    with sandbox.Sandbox() as box:
        yield box
