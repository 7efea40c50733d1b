"""A bundle of the tiny network, whose kernels are variables as a real network's are."""

import numpy as np
import tensorflow as tf

from nst_tf import configs
from nst_tf.export import bundle
from nst_tf.networks import adain
from nst_tf.pictures import images
from nst_tf.serving import client
from tests.tiny import tiny_adain, tiny_multi_style, tiny_network

LIMITS = configs.ExportConfig(  # without the signatures for several styles, which take as long again to trace and load
    max_steps=6, max_pixels=2_000_000, max_content_weight=100.0, several_styles=False
)


class Network(tiny_network.TinyNetwork):
    """The tiny network, in float32 only."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.kernels = {layer: tf.Variable(kernel, dtype=tf.float32) for layer, kernel in self.kernels.items()}
        self.variables = list(self.kernels.values())


def config(**overrides):
    settings = {"scales": 2, "max_side_px": 1400, "steps": 4, "coarse_steps": 4, "lbfgs_memory": 2}
    return tiny_network.config(**(settings | overrides))


def export_adain(root, *styles, **limits):
    """A bundle of the tiny AdaIN network for results of at most 48 px, styles baked in where pixels are given."""
    pictures = [images.Picture(pixels=style, alpha=None, sha256="", name="style.png") for style in styles]
    return bundle.export_adain(
        root,
        configs.AdainConfig(max_side_px=48),
        configs.ExportConfig(method="adain", **limits),
        styles=pictures,
        loaded=adain.Loaded(tiny_adain.network(), "float32", {"licence": "none"}),
    )


def export_multi_style(root, *styles, **limits):
    """A bundle of the tiny network for many styles, for results of at most 48 px; styles are baked in where given."""
    return bundle.export_multi_style(
        root,
        configs.MultiStyleConfig(max_side_px=48),
        configs.ExportConfig(method="multi-style", **limits),
        styles=styles,
        loaded=tiny_multi_style.loaded(),
    )


def assert_a_server_answers_as_python(version, **settings):
    """Sends the first of the requests that a version brings along, and compares with the answer beside it."""
    with np.load(version / bundle.EXAMPLES / "pictures.inputs.npz") as archive:
        inputs = {name: values[0] for name, values in archive.items() if name != "signature"}
    with np.load(version / bundle.EXAMPLES / "pictures.expected.npz") as archive:
        expected = images.load(bytes(archive["stylized_bytes"][0])).pixels
    content, style = (images.load(bytes(inputs[f"{name}_bytes"])) for name in ("content", "style"))
    controls = {name: inputs[name].item() for name in ("steps", "content_weight", "seed", "max_side_px")}
    config = configs.ClientConfig(model=version.parent.name, **controls, **settings)
    assert (np.abs(client.stylize(content, style, config).pixels - expected) * 255).mean() < 0.05
