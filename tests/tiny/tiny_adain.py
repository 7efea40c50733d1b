"""AdaIN's network with few channels and random weights, for tests that need no real one."""

import functools

import numpy as np

from nst_tf import configs
from nst_tf.networks import adain, one_pass

ENCODER = (("block1_conv1", 3, 4), ("block1_conv2", 4, 4), ("block2_conv1", 4, 6), ("block3_conv1", 6, 8))
STRIDE = 4


def encoder_convolutions(seed=0):
    return _random([(layer, 3, i, o) for layer, i, o in ENCODER], seed)


def decoder_convolutions(seed=1):
    return _random([(layer, 3, o, i) for layer, i, o in reversed(ENCODER)], seed)


def network(policy="float32", seed=0, convolution="direct"):
    return adain.AdainNetwork(
        adain.build_encoder(encoder_convolutions(seed), policy=policy, convolution=convolution),
        adain.build_decoder(decoder_convolutions(seed + 1), policy=policy, convolution=convolution),
    )


def loaded():
    return adain.Loaded(network(), "float32", {"decoder": {"source": "tiny"}})


def engine(**settings):
    """An engine on the tiny network, which all tests share: it has these settings until it is asked for with others."""
    shared = _engine()
    shared.reconfigure(configs.AdainConfig(**settings))
    return shared


@functools.cache
def _engine():
    return one_pass.AdainTransfer(loaded=loaded())


def _random(layers, seed):
    """Kernels that keep activations near 1; the first encoder layer reads values of about 100."""
    generator = np.random.default_rng(seed)
    convolutions = {}
    for layer, size, i, o in layers:
        scale = 0.01 if i == 3 else 1.0
        kernel = generator.normal(0, scale * np.sqrt(2 / (size**2 * i)), [size, size, i, o])
        convolutions[layer] = (kernel.astype(np.float32), generator.normal(0.2, 0.1, o).astype(np.float32))
    return convolutions
