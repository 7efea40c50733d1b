"""What removes the crosshatch, the specks and the frame, and what it costs by the default's own objective.

    python -m benchmarks.artefacts --output_dir=outputs/artefacts
    python -m benchmarks.artefacts --gradients

Each way stylises every pair and writes its pictures to the folder, so that they can be looked at; a picture that is
there already is judged, not made again. The objective that judges is the default's, in float32, without its terms
against specks, a frame and a crosshatch.

--gradients shows where the crosshatch comes from, in seconds: the first gradient of each way at a smooth picture, the
style's average colour over the content's blurred brightness, and how much more of it are waves of about 3 px along the
weaker axis than along the diagonals, where the content is flat.
"""

import dataclasses
import pathlib
import statistics
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, precision, vgg
from nst_tf.evaluation import artefacts, scores
from nst_tf.losses import objective, terms
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs
from nst_tf.weights import vgg19

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/artefacts", "where the pictures go")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_PAIRS = flags.DEFINE_list(
    "pairs",
    ["sample:temple+sample:great-wave", "sample:cat+sample:starry-night"],
    "content+style, with commas between the pairs",
)
_GRADIENTS = flags.DEFINE_bool("gradients", False, "show the gradients' waves in place of pictures")
_ONLY = flags.DEFINE_list("only", [], "names of the ways to run; all when empty")

_STRIDE_PX = 16  # of conv5_1, the deepest layer


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to stylise: settings that differ from the default's, and what is not a setting."""

    settings: dict = dataclasses.field(default_factory=dict)
    shifts: tuple = ()  # of the picture against the network's grid, px; their objectives are averaged
    flat_weight: float = 0.0  # of the fine structure where the content is flat
    padding: str = "CONSTANT"  # of the padded layers
    padded: tuple = ("conv1", "conv2")  # how the names of the padded layers start
    margin_px: int = 0  # mirrored around the content, optimised with it and cut off
    pooling: str = ""  # blurred or l2, in place of the configuration's


DEEP = (0.1, 0.3, 0.6, 0.6, 0.6)  # weights of the style layers, their sum near that of the default's five of 0.2
WAYS = {
    "default": Way(),
    "default of d2d820e": Way({"steps": 100, "coarse_steps": 100, "content_detail": 0.0} | configs.WITHOUT_CLEANING),
    "without the three": Way(configs.WITHOUT_CLEANING),
    "specks 300 alone": Way(configs.WITHOUT_CLEANING | {"specks_weight": 300.0}),
    "specks 3000 alone": Way(configs.WITHOUT_CLEANING | {"specks_weight": 3000.0}),
    "without crosshatch": Way({"crosshatch_weight": 0.0}),
    "grain 0.03": Way({"grain": 0.03}),
    "grain 0.1": Way({"grain": 0.1}),
    "replicated padding of block 1": Way(padding="SYMMETRIC", padded=("conv1",)),
    "replicated padding of blocks 1 and 2": Way(padding="SYMMETRIC"),
    "flat 100": Way(flat_weight=100.0),
    "variation 30": Way({"total_variation_weight": 30.0}),
    "blurred pooling": Way(pooling="blurred"),
    "two odd shifts": Way(shifts=((0, 0), (3, 5))),
    "mirrored margin": Way(margin_px=32),
    "replicated padding of conv1_1": Way(padding="SYMMETRIC", padded=("conv1_1",)),
    "mirrored margin, variation 30": Way({"total_variation_weight": 30.0}, margin_px=32),
    "mirrored margin, blurred pooling": Way(pooling="blurred", margin_px=32),
    "l2 pooling, variation 30": Way({"total_variation_weight": 30.0}, pooling="l2"),
    "reflected padding": Way(padding="REFLECT"),
    "flat 400": Way(flat_weight=400.0),
    "averaging 0.9": Way({"averaging": 0.9}),
    "deep layers": Way({"style_layer_weights": DEEP}),
    "blurred pooling and reflected padding": Way(pooling="blurred", padding="REFLECT"),
    "l2 pooling": Way(pooling="l2"),
    "max pooling": Way({"pooling": "max"}),
    "variation 60": Way({"total_variation_weight": 60.0}),
    "two odd shifts at 60 steps": Way({"steps": 60, "coarse_steps": 60}, shifts=((0, 0), (3, 5))),
    "two odd shifts at 60 steps and variation 20": Way(
        {"steps": 60, "coarse_steps": 60, "total_variation_weight": 20.0}, shifts=((0, 0), (3, 5))
    ),
    "two even shifts": Way(shifts=((0, 0), (2, 2))),
    "four shifts": Way(shifts=((0, 0), (1, 2), (2, 3), (3, 1))),
    "two odd shifts and flat 100": Way(shifts=((0, 0), (3, 5)), flat_weight=100.0),
}


def main(_):
    folder = pathlib.Path(_OUTPUT_DIR.value)
    loaded = vgg19.load()
    ways = {name: way for name, way in WAYS.items() if not _ONLY.value or name in _ONLY.value}
    if _GRADIENTS.value:
        print_gradients(ways, loaded.convolutions)
        return
    rows = {name: [] for name in ways}
    header = "| pair | way | objective | style | crosshatch | specks | frame | noise | s |"
    print(f"{_SIZE.value} px, {precision.resolve('auto')[0]}\n\n{header}\n|{'---|' * 9}", flush=True)
    for pair in _PAIRS.value:
        content, style = pair.split("+")
        for name, way in ways.items():
            path = folder / f"{_SIZE.value}-{_short(content)}-{_short(style)}-{name}.png".replace(" ", "-")
            seconds = float("nan")
            if not path.exists():
                began = time.perf_counter()
                images.save(path, stylised(content, style, way, loaded.convolutions))
                seconds = time.perf_counter() - began
            (score,) = scores.evaluate(content, style, [path])
            row = (
                score.losses["total"],
                score.losses["style"],
                score.crosshatch,
                score.specks,
                score.frame,
                score.noise,
                seconds,
            )
            rows[name].append(row)
            numbers = " | ".join(f"{value:.3g}" for value in row)
            print(f"| {_short(content)}, {_short(style)} | {name} | {numbers} |", flush=True)
    print_medians(rows)


def print_medians(rows):
    """The median of each measure over the pairs, and how the objective compares with the default's, pair by pair."""
    print("\n| way | objective, ratio | crosshatch | specks | frame | noise | s |\n|---|---|---|---|---|---|---|")
    default = rows.get("default")
    for name, found in rows.items():
        ratio = statistics.median(a[0] / b[0] for a, b in zip(found, default, strict=True)) if default else np.nan
        medians = [statistics.median(row[column] for row in found) for column in (2, 3, 4, 5, 6)]
        print(f"| {name} | {ratio:.3f} | " + " | ".join(f"{value:.3g}" for value in medians) + " |")


def print_gradients(ways, convolutions):
    """Waves along the axes against waves along the diagonals in the gradients of the terms, on the first pair."""
    content, style = _PAIRS.value[0].split("+")
    side = _SIZE.value // _STRIDE_PX * _STRIDE_PX
    photograph = images.resize(images.load(content).pixels, side, side)
    painting = images.load(style, max_side_px=side).pixels
    smooth = tf.constant(photograph.mean(-1, keepdims=True) * np.ones(3, np.float32))
    for _ in range(8):
        smooth = blurred(smooth)
    smooth = tf.clip_by_value(smooth - tf.reduce_mean(smooth, [1, 2]) + painting.mean((1, 2)), 0, 1)
    print(f"{side} px\n\n| way | whole | conv1_1 | conv2_1 | conv3_1 | conv4_1 | content |\n|{'---|' * 7}")
    for name, way in ways.items():
        ratios = []
        for term in ("whole", "conv1_1", "conv2_1", "conv3_1", "conv4_1", "content"):
            settings = {"total_variation_weight": 0.0, **configs.WITHOUT_CLEANING} | way.settings
            if term == "content":
                settings |= {"style_weight": 0.0}
            elif term != "whole":
                settings |= {"content_weight": 0.0, "style_layers": (term,), "style_layer_weights": ()}
            config = configs.preset("default", precision="float32", **settings)
            goal = goal_of(way, config, convolutions)
            targets = goal.targets(tf.constant(photograph), [tf.constant(painting)])
            gradient = goal.terms_and_gradient(smooth, targets)[1].numpy()
            axes, diagonals = artefacts.waves(gradient / np.abs(gradient).max(), photograph)
            ratios.append(axes / diagonals)
        print(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |", flush=True)


def stylised(content, style, way, convolutions):
    """The picture of one way, float32 [1, H, W, 3]."""
    config = configs.preset("default", max_side_px=_SIZE.value, **way.settings)
    pictures = inputs.read(content, style, config)
    goal = goal_of(way, config, convolutions)
    margin = way.margin_px
    if not margin:
        return transfer.stylize(pictures.content, pictures.styles, config, objective=goal).image
    wider = np.pad(pictures.content.pixels, [[0, 0], [margin, margin], [margin, margin], [0, 0]], "symmetric")
    config = dataclasses.replace(
        config, max_side_px=_SIZE.value + 2 * margin, style_max_side_px=config.style_max_side_px or _SIZE.value
    )
    image = transfer.stylize(wider, pictures.styles, config, objective=goal).image
    return image[:, margin:-margin, margin:-margin]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Shifted(objective.Objective):
    """The mean of the objectives of the picture at several shifts against the network's grid."""

    shifts: tuple

    def features(self, image):
        pads = [[[0, 0], *([px, _STRIDE_PX - px] for px in shift), [0, 0]] for shift in self.shifts]
        return super().features(tf.concat([tf.pad(image, pad, "SYMMETRIC") for pad in pads], 0))

    def terms(self, image, targets, weights=None):
        of_shifts = super().terms(image, targets, weights)
        means = {name: tf.reduce_mean(values, 0, keepdims=True) for name, values in of_shifts.named().items()}
        return terms.Terms.of_named(means)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FlatTerm(terms.PixelTerm):
    """The fine structure of the picture where the content is flat."""

    name = "flat"

    def target(self, content):
        return {"flat": flatness(content)}

    def value(self, image, target, size=None):
        return self.weight * tf.reduce_mean(target["flat"] * tf.square(image - blurred(image)), [1, 2, 3])


def goal_of(way, config, convolutions):
    """The objective of a way."""
    named_terms = objective.terms_of(config)
    if way.flat_weight:
        named_terms = (*named_terms, FlatTerm(weight=way.flat_weight))
    parts = {"extractor": extractor(convolutions, config, way), "config": config, "named_terms": named_terms}
    return Shifted(shifts=way.shifts, **parts) if way.shifts else objective.Objective(**parts)


def flatness(content):
    """1 where a content picture is flat over about 9 px, 0 where it has detail, [1, H, W, 1]."""
    slope = tf.reduce_mean(tf.square(content - blurred(content)), -1, keepdims=True)
    around = tf.nn.avg_pool2d(slope, 9, 1, "SAME")
    return 1 / (1 + around / 0.01**2)


def blurred(image):
    """An image [1, H, W, 3] without waves shorter than about 5 px."""
    row = np.array([1, 4, 6, 4, 1], np.float32) / 16
    kernel = np.tile(np.outer(row, row)[:, :, None, None], [1, 1, 3, 1])
    padded = tf.pad(image, [[0, 0], [2, 2], [2, 2], [0, 0]], "SYMMETRIC")
    return tf.nn.depthwise_conv2d(padded, tf.constant(kernel), [1, 1, 1, 1], "VALID")


def extractor(convolutions, config, way):
    """VGG-19 in the machine's number format, with a way's padding and pooling."""
    policy, _ = precision.resolve("auto")
    if way.padding == "CONSTANT" and not way.pooling:
        return vgg.feature_extractor(convolutions, config.layers, pooling=config.pooling, policy=policy)
    dtype = tf.as_dtype(policy.removeprefix("mixed_"))
    binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16
    deepest = max(map(vgg.LAYERS.index, config.layers))

    def pooled(x):
        if way.pooling == "blurred":
            kernel = tf.tile(tf.constant(binomial, x.dtype)[..., None, None], [1, 1, x.shape[-1], 1])
            padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
            return tf.nn.depthwise_conv2d(padded, kernel, [1, 2, 2, 1], "VALID")
        if way.pooling == "l2":
            squares = tf.nn.avg_pool2d(tf.square(tf.cast(x, tf.float32)), 2, 2, "VALID")
            return tf.cast(tf.sqrt(squares + 1e-8), x.dtype)
        return tf.nn.avg_pool2d(x, 2, 2, "VALID")

    def extract(image):
        x = tf.cast(image[..., ::-1] * 255.0 - tf.constant(vgg.VGG_MEAN_BGR), dtype)
        features = {}
        for layer in vgg.LAYERS[: deepest + 1]:
            block, index = layer.removeprefix("conv").split("_")
            if index == "1" and block != "1":
                x = pooled(x)
            kernel, bias = (tf.cast(values, dtype) for values in convolutions[f"block{block}_conv{index}"])
            x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], way.padding if layer.startswith(way.padded) else "CONSTANT")
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID") + bias)
            if layer in config.layers:
                features[layer] = x
        return features

    return extract


def _short(source):
    return pathlib.Path(source.removeprefix("sample:")).stem


if __name__ == "__main__":
    app.run(main)
