"""Eight callers at once of one bundle in TensorFlow's C library: each gets what it gets alone, and nothing leaks."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from nst_tf.export import self_check, trial_requests
from tests.tiny import tiny_network

CALLERS = 8
PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "programs" / "load_callers.py"
GROWTH_BYTES = 24 * 2**20  # measured: -2 to 6 MiB over 400 rounds; one picture kept by each call would be 100 MiB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


def gatys(number):
    return {
        "signature": "serving_default",
        "content_bytes": trial_requests.encoded([tiny_network.picture(64 + 8 * number, 80, seed=number)]),
        "style_bytes": trial_requests.encoded([tiny_network.picture(60, 50 + number, seed=20 + number)]),
        "steps": np.array([3 + number % 4], np.int32),
        "content_weight": np.array([1 + number], np.float32),
        "seed": np.array([number], np.int32),
        "max_side_px": np.array([96], np.int32),
    }


def adain(number):
    return {
        "signature": "serving_default",
        "content_bytes": trial_requests.encoded([tiny_network.picture(40 + number, 48, seed=number)]),
        "style_bytes": trial_requests.encoded([tiny_network.picture(30, 32 + number, seed=20 + number)]),
        "style_strength": np.array([0.3 + number / 16], np.float32),
        "max_side_px": np.array([48], np.int32),
    }


def called(bundle, request, folder, rounds):
    for number in range(CALLERS):
        np.savez(folder / f"{number}.inputs.npz", **request(number))
    command = [sys.executable, str(PROGRAM), str(self_check.REPLAY), str(bundle), str(folder), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_each_is_answered_as_alone_and_nothing_leaks(told, rounds):
    assert told["failures"] == []
    assert told["answers"] == CALLERS * rounds
    assert told["unlike"] == 0
    assert told["end_bytes"] - told["warm_bytes"] < GROWTH_BYTES, told


@pytest.mark.slow  # the callers of the other bundle are in make test
@pytest.mark.parametrize("rounds", [5, 400])
def test_a_gatys_bundle_answers_callers_at_once_as_it_answers_each_alone(tiny_version, tmp_path, rounds):
    told = called(tiny_version, gatys, tmp_path, rounds)
    assert_each_is_answered_as_alone_and_nothing_leaks(told, rounds)


@pytest.mark.parametrize("rounds", [10, pytest.param(2000, marks=pytest.mark.slow)])
def test_an_adain_bundle_answers_callers_at_once_as_it_answers_each_alone(adain_version, tmp_path, rounds):
    told = called(adain_version, adain, tmp_path, rounds)
    assert_each_is_answered_as_alone_and_nothing_leaks(told, rounds)
