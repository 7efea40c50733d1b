"""Which form of the convolutions is fastest on this machine: measured once, in about a second, and remembered."""

import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import errors, files, machine, version
from nst_tf.vgg import convolution, forms

FILE_NAME = "convolution.json"
_ROUNDS = 2  # of each form, the forms in turn; the least counts
_MARGIN = 0.95  # of the direct form's time that another must stay below
_ENVIRONMENT = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")  # which change what TensorFlow runs


class _Sample(NamedTuple):
    """A convolution that represents others."""

    layer: str
    channels: int
    side: int  # positions along a side, a sixth to a third of the layer's at 384 px
    weight: float  # the multiplications in a step at 384 px of what it represents, over the sample's


# From block 3 on one sample is enough: with more channels the transforms of Winograd's form cost less still.
_SAMPLES = (
    _Sample("conv1_2", 64, 64, 384**2 / 64**2),
    _Sample("conv2_2", 128, 48, 1.5 * 192**2 / 48**2),
    _Sample("conv3_2", 256, 32, (3.5 * 96**2 + 4 * (3.5 * 48**2 + 24**2)) / 32**2),
)


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
    return Choice(form, f"measured on this machine, CPU seconds of a step's convolutions at 384 px: {times}", seconds)


def machine_key() -> str:
    """What a measurement depends on."""
    facts = machine.described()
    environment = [f"{name}={os.environ[name]}" for name in _ENVIRONMENT if name in os.environ]
    threads = f"{facts['threads of an operation']} threads"
    versions = [f"TensorFlow {facts['tensorflow']}", f"nst_tf {version.__version__}"]
    return ", ".join([facts["CPU"], *versions, threads, *environment])


def measure() -> dict[str, float]:
    """Form -> CPU seconds that the convolutions of a step at 384 px would take, forward and back."""
    totals = dict.fromkeys(forms.FORMS, 0.0)
    for sample in _SAMPLES:
        passes = _passes(sample)
        x = tf.ones([1, sample.side, sample.side, sample.channels])
        for run in passes.values():
            run(x)  # takes memory and prepares what runs
        times: dict[str, list[float]] = {form: [] for form in passes}
        for _ in range(_ROUNDS):
            for form, run in passes.items():
                began = time.process_time()  # of all threads; other work on the machine does not change it
                float(run(x)[0, 0, 0, 0])
                times[form].append(time.process_time() - began)
        for form in totals:
            totals[form] += sample.weight * min(times[forms.form_of(sample.layer, form)])
    return totals


def _passes(sample: _Sample) -> dict[str, Callable[[tf.Tensor], tf.Tensor]]:
    """Form -> a sample's convolution and its gradient, for the forms that its layer may have."""
    filters = np.full([3, 3, sample.channels, sample.channels], 0.1 / sample.channels, np.float32)
    kernel = tf.constant(filters)
    possible = {forms.form_of(sample.layer, form) for form in forms.FORMS}
    bias = np.zeros(sample.channels, np.float32)
    made = {form: make(filters, bias, "float32") for form, make in convolution.MAKERS.items() if form in possible}
    made["direct"] = lambda x: tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))
    shape = [1, sample.side, sample.side, sample.channels]
    return {form: _forward_and_back(convolve, shape) for form, convolve in made.items()}


def _forward_and_back(convolve: Callable[[tf.Tensor], tf.Tensor], shape: list[int]) -> Callable[[tf.Tensor], tf.Tensor]:
    def run(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = convolve(x)
        return tape.gradient(y, x, y)

    return tf.function(run, autograph=False).get_concrete_function(tf.TensorSpec(shape))


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
