"""Low-level noise of ways to run and of changes to the network, on a painting pair and on a photograph pair.

    python -m benchmarks.noise --output_dir=outputs/noise

Each row is one way: the share of spectral energy beyond 0.7 of Nyquist (evaluation.noise), the weighted content and
style loss of the result on the plain objective in float32, and the seconds. The pictures are written for looking at.
"""

import pathlib
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, precision, vgg
from nst_tf.evaluation import noise
from nst_tf.figures import grids
from nst_tf.losses import objective
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs
from nst_tf.weights import vgg19

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/noise", "where the pictures go")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_STEPS = flags.DEFINE_integer("steps", 100, "evaluations at the full size, and at each coarser one")
_PAINTING = flags.DEFINE_list("painting", ["sample:launch-pad", "sample:van-gogh"], "content, style")
_PHOTOGRAPH = flags.DEFINE_list("photograph", ["sample:launch-pad", "sample:shuttle-landing"], "content, style")
_ONLY = flags.DEFINE_list("only", [], "names of the rows to run; all when empty")

COLUMNS = 5  # of the sheet that shows all the pictures
WAYS = {
    "content start": {},
    "content start, Adam": {"optimizer": "adam"},
    "content start, max pooling": {"pooling": "max"},
    "content start, squared variation 3": {"total_variation_weight": 3.0},
    "content start, squared variation 10": {"total_variation_weight": 10.0},
    "content start, squared variation 30": {"total_variation_weight": 30.0},
    "content start, absolute variation 2e-5": {"total_variation": "absolute-sum", "total_variation_weight": 2e-5},
    "content start, absolute variation 6e-5": {"total_variation": "absolute-sum", "total_variation_weight": 6e-5},
    "content start, power variation 2.5e-10": {"total_variation": "power-sum", "total_variation_weight": 2.5e-10},
    "content start, averaging 0.9": {"averaging": 0.9},
    "content start, Adam, averaging 0.9": {"optimizer": "adam", "averaging": 0.9},
    "content start, replicate padding in the first layer": {"first_padding": "SYMMETRIC"},
    "content start, blurred pooling": {"blur": True},
    "content start, coarse to fine": {"scales": 3},
    "content start, coarse to fine, squared variation 10": {"scales": 3, "total_variation_weight": 10.0},
    "noise start, deviation 0.25": {"initialisation": "noise", "noise_stddev": 0.25},
    "noise start": {"initialisation": "noise"},
    "noise start, squared variation 10": {"initialisation": "noise", "total_variation_weight": 10.0},
    "noise start, coarse to fine": {"initialisation": "noise", "scales": 3},
    "noise start, coarse to fine, squared variation 10": {
        "initialisation": "noise",
        "scales": 3,
        "total_variation_weight": 10.0,
    },
}


def main(_):
    folder = pathlib.Path(_OUTPUT_DIR.value)
    loaded = vgg19.load()
    policy, _ = precision.resolve("auto")
    for pair, (content, style) in (("painting", _PAINTING.value), ("photograph", _PHOTOGRAPH.value)):
        steps = {"steps": _STEPS.value, "coarse_steps": _STEPS.value}
        plain = configs.preset("default", max_side_px=_SIZE.value, **steps, **configs.WITHOUT_CLEANING)
        pictures = inputs.read(content, style, plain)
        exact = objective.Objective(
            extractor=vgg.feature_extractor(loaded.convolutions, plain.layers, pooling=plain.pooling), config=plain
        )
        targets = exact.targets(tf.constant(pictures.content.pixels), [tf.constant(pictures.styles[0].pixels)])
        shares = [noise.high_frequency_share(picture.pixels) for picture in (pictures.content, pictures.styles[0])]
        print(
            f"\n{pair}: {content} in the style of {style}; {policy}; content {shares[0]:.3f}, style {shares[1]:.3f}\n"
        )
        print("| way | noise | content | style | s |\n|---|---|---|---|---|")
        cells = []
        for name, changes in WAYS.items():
            if _ONLY.value and name not in _ONLY.value:
                continue
            changes = {"scales": 1, "total_variation_weight": 0.0, **configs.WITHOUT_CLEANING} | changes
            blur, first_padding = changes.pop("blur", False), changes.pop("first_padding", None)
            config = configs.preset(
                "default", max_side_px=_SIZE.value, steps=_STEPS.value, **{"coarse_steps": _STEPS.value} | changes
            )
            extractor = vgg.feature_extractor(loaded.convolutions, config.layers, pooling=config.pooling, policy=policy)
            if blur or first_padding:
                extractor = variant(
                    loaded.convolutions, config.layers, blur=blur, first_padding=first_padding or "CONSTANT"
                )
            began = time.perf_counter()
            image = transfer.stylize(pictures.content, pictures.styles, config, extractor=extractor).image
            seconds = time.perf_counter() - began
            terms = exact.terms(tf.constant(image), targets)
            images.save(folder / f"{pair} {name}.png".replace(" ", "-").replace(",", ""), image)
            share = noise.high_frequency_share(image)
            losses = f"{float(terms.values['content'][0]):.3f} | {float(terms.values['style'][0]):.3f}"
            print(f"| {name} | {share:.4f} | {losses} | {seconds:.0f} |", flush=True)
            place = {"row": 1 + len(cells) // COLUMNS, "column": 1 + len(cells) % COLUMNS}
            cells.append(grids.GridCell(**place, pixels=image, caption=name, note=f"noise {share:.3f}"))
        sheet = grids.draw(cells, title=f"Ways against low-level noise: {content} in the style of {style}")
        images.save(folder / f"{pair}.jpg", sheet)


def variant(convolutions, layers, *, blur, first_padding):
    """The extractor with a change that is not shipped: blurred pooling, or another padding of the first layer."""
    binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16

    def extract(image):
        x = image[..., ::-1] * 255.0 - tf.constant(vgg.VGG_MEAN_BGR)
        features = {}
        deepest = max(vgg.LAYERS.index(layer) for layer in layers)
        for layer in vgg.LAYERS[: deepest + 1]:
            block, index = layer.removeprefix("conv").split("_")
            if index == "1" and block != "1":
                if blur:
                    kernel = tf.tile(tf.constant(binomial, x.dtype)[..., None, None], [1, 1, x.shape[-1], 1])
                    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
                    x = tf.nn.depthwise_conv2d(padded, kernel, [1, 2, 2, 1], "VALID")
                else:
                    x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
            kernel, bias = convolutions[f"block{block}_conv{index}"]
            if layer == "conv1_1":
                x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], first_padding)
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID" if layer == "conv1_1" else "SAME") + bias)
            if layer in layers:
                features[layer] = x
        return features

    return extract


if __name__ == "__main__":
    app.run(main)
