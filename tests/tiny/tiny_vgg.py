"""A random network with all of VGG-19's convolutions and poolings and few channels, for tests of its geometry."""

import numpy as np
import tensorflow as tf

from nst_tf import vgg

CHANNELS_PER_BLOCK = (2, 3, 3, 4, 4)


class TinyVgg:
    """Image [B, H, W, 3] in [0, 1] -> {layer: features after the ReLU}, up to a deepest layer.

    It computes in the image's dtype, or in another.
    """

    def __init__(self, deepest="conv5_4", *, pooling="average", dtype=None, seed=0):
        generator = np.random.default_rng(seed)
        self._pool = {"average": tf.nn.avg_pool2d, "max": tf.nn.max_pool2d}[pooling]
        self._dtype = dtype
        self._kernels, fan_in = {}, 3
        for layer in vgg.LAYERS[: vgg.LAYERS.index(deepest) + 1]:
            channels = CHANNELS_PER_BLOCK[vgg.block(layer) - 1]
            kernel = generator.normal(0, np.sqrt(2 / (9 * fan_in)), [3, 3, fan_in, channels])
            self._kernels[layer] = kernel, generator.normal(0.2, 0.1, channels)
            fan_in = channels

    def __call__(self, image):
        x = tf.cast(image * 4 - 2, self._dtype or image.dtype)
        features = {}
        for layer, (kernel, bias) in self._kernels.items():
            if layer.endswith("_1") and layer != "conv1_1":
                x = self._pool(x, 2, 2, "VALID")
            x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(kernel, x.dtype), 1, "SAME") + tf.constant(bias, x.dtype))
            features[layer] = x
        return features
