"""Fixtures of the tests of the command line."""

import signal

import pytest

from tests.system import command_line


@pytest.fixture(scope="session", autouse=True)
def _interrupts():
    """A shell starts what runs in its background with Ctrl-C ignored, which the programs under test would inherit."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def commands():
    """`commands.run(...)` is `command_line.run(...)` in a fraction of its time."""
    with command_line.Server() as server:
        yield server
