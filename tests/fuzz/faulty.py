"""Readers with faults, one of every kind that a sandbox must tell from a good one."""

import os
import pickle
import time

import numpy as np

from nst_tf import errors
from tests.fuzz import sandbox


def _refuse(_):
    raise errors.ImageError("no picture")


def _raise(_):
    raise ValueError("not one of ours")


def _spin(_):
    while True:
        pass


def _allocate(_):
    np.ones(sandbox.MEMORY_CAP_BYTES // 8 + 2**24)


def _write(_):
    with open("written", "w"):
        pass


class _Call:
    def __reduce__(self):
        return os.getpid, ()


FAULTS = {
    "read": lambda _: None,
    "refused": _refuse,
    "error": _raise,
    "hang": lambda _: time.sleep(1000),
    "hang with work to do": _spin,
    "crash": lambda _: os.abort(),
    "memory": _allocate,
    "execution": lambda _: os.system("true"),
    "execution by a file": _write,
    "execution by a pickle": lambda _: pickle.loads(pickle.dumps(_Call())),
    "execution by text": lambda _: eval("1 + 1"),
}
TARGETS = {name: sandbox.Target(read, tuple) for name, read in FAULTS.items()}
