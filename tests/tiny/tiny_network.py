"""A tiny random network with the paper's layer names, for tests that need no real one."""

import numpy as np
import tensorflow as tf

from nst_tf import configs
from nst_tf.optimisation import transfer

CHANNELS = {"conv1_1": 4, "conv1_2": 5, "conv2_1": 6, "conv2_2": 7}
SETTINGS = {
    "content_layers": ("conv2_2",),
    "style_layers": ("conv1_1", "conv2_1"),
    "total_variation_weight": 0.0,
    **configs.WITHOUT_CLEANING,
    "precision": "float32",
    "scales": 1,
    "lbfgs_memory": 3,  # every pair is unrolled in the step's graph: 20 take three times as long to trace
}


_ENGINES: dict[tuple, transfer.StyleTransfer] = {}  # by what is traced


class TinyNetwork:
    """Image [B, H, W, 3] in [0, 1] -> {layer: features after the ReLU}; computes in the image's dtype."""

    def __init__(self, seed=0):
        generator = np.random.default_rng(seed)
        inputs = [3, *CHANNELS.values()]
        self.kernels = {
            layer: generator.normal(0, np.sqrt(2 / (9 * fan_in)), [3, 3, fan_in, channels])
            for fan_in, (layer, channels) in zip(inputs, CHANNELS.items(), strict=False)
        }
        self.biases = {layer: generator.normal(0.1, 0.05, channels) for layer, channels in CHANNELS.items()}

    def __call__(self, image):
        x = image * 4 - 2
        features = {}
        for layer, kernel in self.kernels.items():
            if layer == "conv2_1":
                x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
            x = tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "SAME") + tf.constant(self.biases[layer], x.dtype)
            x = tf.nn.relu(x)
            features[layer] = x
        return features


def config(**overrides):
    """A configuration that fits the tiny network."""
    return configs.preset("default", **(SETTINGS | overrides))


def picture(height=12, width=16, seed=0, dtype=np.float32):
    """A smooth random picture [1, H, W, 3] in [0, 1]."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(0.1, 0.9, [1, 4, 4, 3])
    return np.clip(tf.image.resize(coarse, [height, width], "bicubic").numpy(), 0, 1).astype(dtype)


def engine(config, *, adjustable=False, copy=0):
    """An engine on the tiny network, which all configurations of one traced step share.

    Args:
        adjustable: whether they share it beyond their weights of content and style.
        copy: another number gives another engine, with a graph of its own.
    """
    key = copy, adjustable, transfer.traced(config, adjustable=adjustable)
    if key not in _ENGINES:
        _ENGINES[key] = transfer.StyleTransfer(config, extractor=TinyNetwork(), adjustable=adjustable)
    _ENGINES[key].reconfigure(config)
    return _ENGINES[key]


def stylize(content, style, config, *, adjustable=False, **callbacks):
    """`transfer.stylize` on the tiny network by an engine that runs share."""
    return engine(config, adjustable=adjustable)(content, style, **callbacks)
