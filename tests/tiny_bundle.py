"""A bundle of the tiny network, whose kernels are variables as a real network's are."""

import tensorflow as tf

from nst_tf import export_configs
from tests import tiny_network

LIMITS = export_configs.ExportConfig(max_steps=6, max_pixels=2_000_000, max_content_weight=100.0)


class Network(tiny_network.TinyNetwork):
    """The tiny network, in float32 only."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.kernels = {layer: tf.Variable(kernel, dtype=tf.float32) for layer, kernel in self.kernels.items()}
        self.variables = list(self.kernels.values())


def config(**overrides):
    return tiny_network.config(**({"scales": 2, "max_side_px": 1400, "coarse_steps": 4} | overrides))
