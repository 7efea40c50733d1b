"""What carrying L-BFGS's history from one size to the next gains, and what padding to the stride does at the edges.

    python -m benchmarks.schedule --content=sample:launch-pad --style=sample:van-gogh

Two tables.
"""

from unittest import mock

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, precision, vgg
from nst_tf.losses import objective
from nst_tf.optimisation import lbfgs, transfer
from nst_tf.pictures import images, inputs
from nst_tf.weights import vgg19

_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture")
MARKS = (5, 10, 20, 40, 80)
EDGE_PX = 8


def main(_):
    loaded = vgg19.load()
    policy, _ = precision.resolve("auto")
    config = configs.preset("default", max_side_px=256, **configs.WITHOUT_CLEANING)
    extractor = vgg.feature_extractor(loaded.convolutions, config.layers, pooling=config.pooling, policy=policy)
    carry_over(config, objective.Objective(extractor=extractor, config=config))
    edges(extractor)


def carry_over(config, goal):
    """80 evaluations at 128 px, then 80 at 256 px with an empty history and with the one of 128 px scaled up."""
    pictures = inputs.read(_CONTENT.value, _STYLE.value, config)
    one = tf.constant(1.0)

    def at(height, width):
        resized = [images.resize(p.pixels, height, width) for p in (pictures.content, *pictures.styles)]
        return tf.constant(resized[0]), goal.targets(tf.constant(resized[0]), [tf.constant(resized[1])])

    height, width = pictures.content.height_px // 2, pictures.content.width_px // 2
    coarse, coarse_targets = at(height, width)
    optimizer = lbfgs.Lbfgs(goal.terms_and_gradient, coarse.shape, config)
    optimizer.start(coarse)
    for _ in range(MARKS[-1]):
        optimizer.step(coarse_targets, one)
    old = optimizer._state
    content, targets = at(2 * height, 2 * width)
    start = tf.clip_by_value(tf.image.resize(optimizer.best_image, content.shape[1:3], "bicubic"), 0, 1)
    print(f"\n| history at {content.shape[2]} px | " + " | ".join(f"at {mark}" for mark in MARKS) + " |")
    for name in ("empty", "carried over"):
        optimizer.start(start)
        optimizer.step(targets, one)
        if name == "carried over":
            optimizer._state = carried(optimizer._state, old, coarse.shape, content.shape)
        history = [float(optimizer.step(targets, one).total[0]) for _ in range(MARKS[-1])]
        best = np.minimum.accumulate(history)
        print(f"| {name} | " + " | ".join(f"{best[mark - 1]:.4f}" for mark in MARKS) + " |", flush=True)


def carried(new, old, coarse_shape, shape):
    """The state of the first evaluation with the coarse size's pairs, scaled up as pictures."""

    def enlarged(vectors):
        pictures = [tf.reshape(vector, coarse_shape) for vector in vectors]
        return [tf.reshape(tf.image.resize(picture, shape[1:3], "bicubic"), [-1]) for picture in pictures]

    s, y = enlarged(old.s), [vector / 4 for vector in enlarged(old.y)]  # a coarse pixel's gradient is shared by four
    dots = [tf.cast(tf.matmul(a, b, transpose_b=True), tf.float64) for a, b in ((s, y), (y, y))]
    state = new._replace(s=tuple(s), y=tuple(y), sy=dots[0], yy=dots[1], pairs=old.pairs)
    direction = lbfgs._quasi_newton_direction(state, state.s, state.y, lbfgs.row_products)
    slope = tf.tensordot(state.gradient, direction, 1)
    return state._replace(direction=direction, slope=slope, step=tf.constant(1.0))


def edges(extractor):
    """How much the last rows and columns change, against the rest, where 16 does not divide the sides."""
    content = images.load(inputs.read(_CONTENT.value, _STYLE.value, configs.preset("default")).content.name)
    content = images.resize(content.pixels, 190, 255)  # 14 rows and 15 columns beyond a multiple of 16
    print("\n| sides 255 x 190 | change of the last 8 rows | of the last 8 columns | against the rest |")
    for name in ("padded", "not padded"):
        config = configs.preset("default", max_side_px=256, scales=1, steps=60, **configs.WITHOUT_CLEANING)
        with mock.patch.object(vgg, "padded", vgg.padded if name == "padded" else lambda image, _: image):
            image = transfer.stylize(content, _STYLE.value, config, extractor=extractor).image
        change = np.abs(image - content)[0].mean(axis=-1)
        rest = change[:-EDGE_PX, :-EDGE_PX].mean()
        rows, columns = change[-EDGE_PX:].mean(), change[:, -EDGE_PX:].mean()
        print(f"| {name} | {rows / rest:.2f} | {columns / rest:.2f} | 1.00 |", flush=True)


if __name__ == "__main__":
    app.run(main)
