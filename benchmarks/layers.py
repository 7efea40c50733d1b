"""Milliseconds of single convolutions of VGG-19 in each form, forward and back, on random values.

    python -m benchmarks.layers --height=342 --width=512

For the layers of a picture of that size, by the clock with all threads, the median of turns: the forward convolution,
which `rotated` takes for both passes, Keras' own pass back, and Winograd's form.
"""

import statistics
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import vgg
from nst_tf.vgg import convolution, forms

_HEIGHT = flags.DEFINE_integer("height", 342, "of the picture, px")
_WIDTH = flags.DEFINE_integer("width", 512, "of the picture, px")
_LAYERS = flags.DEFINE_list("layers", ["conv2_2", "conv3_2", "conv4_2", "conv5_2"], "with as many inputs as outputs")
_ROUNDS = flags.DEFINE_integer("rounds", 12, "timed turns of each")


def main(_):
    print(
        "| layer | tiles | direct forward, rotated each way | direct back | winograd forward | back |\n"
        + "|---" * 6
        + "|"
    )
    for layer in _LAYERS.value:
        channels, stride = vgg.channels(layer), vgg.stride_px(layer)
        sides = [-(-side // stride) for side in (_HEIGHT.value, _WIDTH.value)]
        times = timed(passes(sides, channels))
        tiles = np.prod([-(-side // forms.OUTPUTS) for side in sides])
        print(f"| {layer} | {tiles} | " + " | ".join(f"{ms:.1f}" for ms in times) + " |", flush=True)


def passes(sides, channels):
    """A layer's passes in the order of the table, each a function of no arguments."""
    generator = tf.random.Generator.from_seed(1)
    x, kernel, u = (
        generator.normal(shape)
        for shape in ([1, *sides, channels], [forms.TAPS] * 2 + [channels] * 2, [forms.TILE**2] + [channels] * 2)
    )
    bias, forward, back = tf.zeros([channels]), convolution.traced(), convolution.traced(turned=True)
    return (
        lambda: tf.nn.conv2d(x, kernel, 1, "SAME"),
        lambda: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape, filter=kernel, out_backprop=x, strides=[1] * 4, padding="SAME"
        ),
        lambda: forward(x, u, bias),
        lambda: back(x, u, x),
    )


def timed(runs):
    """Median milliseconds of each, after two turns that do not count."""
    taken = [[] for _ in runs]
    for _ in range(2 + _ROUNDS.value):
        for run, seconds in zip(runs, taken, strict=True):
            began = time.perf_counter()
            float(run()[0, 0, 0, 0])
            seconds.append(time.perf_counter() - began)
    return [1e3 * statistics.median(seconds[2:]) for seconds in taken]


if __name__ == "__main__":
    app.run(main)
