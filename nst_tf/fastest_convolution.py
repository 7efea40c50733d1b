"""Which form of the convolutions is fastest on this machine: measured once, in about two seconds, and remembered."""

import json
import math
import os
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from nst_tf import errors, files, machine, version, vgg
from nst_tf.vgg import convolution, forms

FILE_NAME = forms.MEASURED_FILE
_METHOD = 3  # of measuring; what was measured by another is measured anew
# Of each operation, in turn; the least counts, so the first may prepare. Keras' gradient is seldom near the fastest.
_ROUNDS = {"forward": 3, "back": 2, "winograd": 4}
_MARGIN = 0.95  # of the direct form's time that another must stay below
_ENVIRONMENT = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")  # which change what TensorFlow runs
_CLOCKS = (time.perf_counter, time.process_time)
_WALL, _CPU = range(2)
_SIDES_PX = (128, 256, 512)  # of the pictures of a run, and so of the steps that are compared
_DEEPEST = "conv5_1"


class _Sample(NamedTuple):
    """A convolution that represents others: what it takes is in proportion to the multiplications."""

    channels: int
    side: int  # positions along a side

    @property
    def multiplications(self) -> int:
        """Of one pass in the direct form, over the nine of a filter."""
        return self.side**2 * self.channels**2


class Choice(NamedTuple):
    """A form and why it was taken."""

    form: str  # one of forms.FORMS
    reason: str
    seconds: dict[str, float]  # form -> what `measure` found; empty where nothing was measured


def resolve(setting: str, policy: str, cache_folder: pathlib.Path, *, anew: bool = False) -> Choice:
    """Picks the form for a `convolution` setting.

    Args:
        setting: `auto` or one of `forms.FORMS`.
        policy: Keras dtype policy of the network.
        cache_folder: where the measurement is kept.
        anew: measures again in place of a measurement that is kept.

    Returns:
        The choice. Only float32 on a CPU is measured: a GPU's library chooses among its own forms, and in bfloat16 the
        direct form was faster on every CPU that was measured.
    """
    if setting != "auto":
        return Choice(setting, "as asked", {})
    if tf.config.list_physical_devices("GPU"):
        return Choice("direct", "the GPU's library chooses its own form", {})
    if policy != "float32":
        return Choice("direct", f"in {policy} it was the fastest where it was measured", {})
    key = machine_key()
    path = cache_folder / FILE_NAME
    known = _read(path)
    if anew or key not in known:
        known[key] = measure()
        _write(path, known)
    seconds = known[key]
    fastest = min(seconds, key=lambda form: seconds[form])
    form = fastest if seconds[fastest] < _MARGIN * seconds["direct"] else "direct"
    times = ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())
    sides = f"{', '.join(map(str, _SIDES_PX[:-1]))} and {_SIDES_PX[-1]} px"
    return Choice(form, f"measured on this machine, seconds of the convolutions of a step at {sides}: {times}", seconds)


def machine_key() -> str:
    """What a measurement depends on."""
    facts = machine.described()
    environment = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
    threads = f"{facts['threads of an operation']} threads"
    versions = [f"TensorFlow {facts['tensorflow']}", f"nst_tf {version.__version__}"]
    return ", ".join([facts["CPU"], *versions, threads, *environment, f"method {_METHOD}"])


def measure() -> dict[str, float]:
    """Form -> seconds that the convolutions of one step at each of `_SIDES_PX` would take, forward and back.

    They are those that users wait for, or CPU seconds where other work keeps the cores busy.
    """
    samples = _samples()
    taken = {name: _seconds(sample) for name, sample in samples.items()}
    waited, computed = (sum(sum(each[clock].values()) for each in taken.values()) for clock in (_WALL, _CPU))
    seconds = {name: each[_WALL if waited <= computed else _CPU] for name, each in taken.items()}
    totals = dict.fromkeys(forms.FORMS, 0.0)
    for layer in vgg.up_to([_DEEPEST])[1:]:  # the first layer has one form
        inputs = vgg.channels(vgg.LAYERS[vgg.LAYERS.index(layer) - 1])
        for side_px in _SIDES_PX:
            side = side_px // vgg.stride_px(layer)
            tiles = math.ceil(side / forms.OUTPUTS) ** 2
            is_small = tiles < forms.large_tiles(inputs, vgg.channels(layer))
            name = _kind(layer, tiles, is_small=is_small)
            share = side**2 * inputs * vgg.channels(layer) / samples[name].multiplications
            for form in totals:
                totals[form] += share * seconds[name][forms.form_of(layer, form, is_small=is_small)]
    return totals


def _kind(layer: str, tiles: int, *, is_small: bool) -> str:
    """The sample that represents a layer of so many tiles."""
    if vgg.block(layer) < forms.FIRST_WINOGRAD_BLOCK:
        return "first block"
    if is_small:
        return "small"
    return "one strip" if tiles <= forms.STRIP_TILES else "strips"


def _samples() -> dict[str, _Sample]:
    """A layer of each kind; where there are strips, as many as threads compute at the same time."""
    side = forms.OUTPUTS * math.isqrt(forms.STRIP_TILES * convolution.strips_at_a_time())
    return {
        "first block": _Sample(64, side),
        "strips": _Sample(256, side),
        "one strip": _Sample(256, 48),
        "small": _Sample(512, 16),
    }


def _seconds(sample: _Sample) -> tuple[dict[str, float], dict[str, float]]:
    """Form of a layer -> seconds of a sample, forward and back: by the clock, and of all threads."""
    sides, channels = [1, sample.side, sample.side, sample.channels], sample.channels
    x, bias = tf.ones(sides), tf.zeros([channels])
    kernel, u = (tf.fill([*size, channels, channels], 0.01) for size in ([forms.TAPS] * 2, [forms.TILE**2]))
    passes: dict[str, Callable[[], tf.Tensor]] = {
        "forward": lambda: tf.nn.conv2d(x, kernel, 1, "SAME"),
        "back": lambda: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=sides, filter=kernel, out_backprop=x, strides=[1] * 4, padding="SAME"
        ),
        "winograd": lambda: convolution.traced()(x, u, bias),
    }
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in passes}
    for number in range(max(_ROUNDS.values())):
        for name, run in passes.items():
            if number >= _ROUNDS[name]:
                continue
            began = [clock() for clock in _CLOCKS]
            float(run()[0, 0, 0, 0])
            times[name].append(tuple(clock() - start for clock, start in zip(_CLOCKS, began, strict=True)))
    return _of_forms(times, _WALL), _of_forms(times, _CPU)


def _of_forms(times: dict[str, list[tuple[float, ...]]], clock: int) -> dict[str, float]:
    """Form of a layer -> seconds, where the gradient is a forward convolution as well but in the direct form."""
    forward, back, winograd = (min(taken[clock] for taken in times[name]) for name in ("forward", "back", "winograd"))
    return {"direct": forward + back, "rotated": 2 * forward, "winograd": 2 * winograd}


def _read(path: pathlib.Path) -> dict[str, dict[str, float]]:
    """The measurements of a file; none where it is absent or damaged."""
    try:
        known = json.loads(path.read_text())
        return {str(key): {form: float(seconds[form]) for form in forms.FORMS} for key, seconds in known.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _write(path: pathlib.Path, known: dict[str, dict[str, float]]) -> None:
    try:
        files.write_atomically(path, f"{json.dumps(known, indent=1)}\n".encode())
    except errors.OutputError:
        return  # a folder that cannot be written costs the next run its second
