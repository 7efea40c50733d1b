"""Objective against evaluations: our L-BFGS, its variants, Adam, and SciPy's L-BFGS-B on the same variable.

    python -m benchmarks.optimizers --content=photo.jpg --style=painting.jpg --evaluations=320

Every run starts from the content picture, at 256 px, on the objective
1e-3 mean((F-P)^2) + 1/5 sum_l mean((G/M-A/M)^2)/4. Losses are those of the in-range picture, re-evaluated in float32.
"""

import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, vgg
from nst_tf.losses import objective
from nst_tf.optimisation import lbfgs, optimizers
from nst_tf.pictures import inputs
from nst_tf.weights import vgg19

_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_EVALUATIONS = flags.DEFINE_integer("evaluations", 320, "of each run")
_PRECISIONS = flags.DEFINE_list("precisions", ["mixed_bfloat16", "float32"], "Keras policies to run in")
_METHODS = flags.DEFINE_list("methods", ["lbfgs", "adam", "scipy"], "lbfgs, adam, scipy")
_THRESHOLDS = flags.DEFINE_list("thresholds", ["0.00125", "0.00108", "0.0006", "0.00055"], "losses to reach")
MARKS = (20, 50, 100, 200, 300)


def main(_):
    config = configs.preset(
        "default",
        content_weight=1e-3,
        style_weight=0.25,
        total_variation_weight=0.0,
        max_side_px=_SIZE.value,
        **configs.WITHOUT_CLEANING,
    )
    loaded = vgg19.load()
    pictures = inputs.read(_CONTENT.value, _STYLE.value, config)
    content, style = tf.constant(pictures.content.pixels), tf.constant(pictures.styles[0].pixels)
    print(f"{_CONTENT.value} in the style of {_STYLE.value}, {content.shape[2]} x {content.shape[1]} px")
    header = " | ".join(f"at {mark}" for mark in MARKS if mark <= _EVALUATIONS.value)
    reach = " | ".join(f"<= {threshold}" for threshold in _THRESHOLDS.value)
    print(f"| method | precision | {header} | last, float32 | {reach} | rejected | s |")
    goals = {}
    for policy in {"float32", *_PRECISIONS.value}:
        extractor = vgg.feature_extractor(loaded.convolutions, config.layers, pooling=config.pooling, policy=policy)
        goals[policy] = objective.Objective(extractor=extractor, config=config)
    for policy in _PRECISIONS.value:
        targets = goals[policy].targets(content, [style])
        for method in _METHODS.value:
            began = time.perf_counter()
            run = run_scipy if method == "scipy" else run_ours
            history, image = run(method, goals[policy], targets, content, config)
            seconds = time.perf_counter() - began
            exact = goals["float32"]
            final = float(exact.terms(image, exact.targets(content, [style])).total[0])
            best = np.minimum.accumulate(history)
            marks = " | ".join(f"{best[mark - 1]:.6f}" for mark in MARKS if mark <= len(best))
            reached = " | ".join(evaluations_to(best, float(threshold)) for threshold in _THRESHOLDS.value)
            rejected = int(np.sum(np.asarray(history[1:]) > best[:-1]))
            print(
                f"| {method} | {policy} | {marks} | {final:.6f} | {reached} | {rejected} | {seconds:.0f} |", flush=True
            )


def evaluations_to(best, threshold):
    return str(int(np.argmax(best <= threshold)) + 1) if best[-1] <= threshold else "-"


def run_ours(method, goal, targets, content, config):
    optimizer = optimizers.BY_NAME[method](goal.terms_and_gradient, content.shape, config)
    optimizer.start(content)
    one = tf.constant(1.0)
    history = [float(optimizer.step(targets, one).total[0]) for _ in range(_EVALUATIONS.value)]
    return history, optimizer.best_image


def run_scipy(_, goal, targets, content, config):
    """SciPy's L-BFGS-B without bounds on z, x = sigmoid(4 z): the More-Thuente line search for comparison."""
    import scipy.optimize

    terms_and_gradient = tf.function(goal.terms_and_gradient)
    history, scale = [], 1e5  # so that no tolerance stops it

    def value_and_gradient(z):
        image = lbfgs.lbfgs_image(tf.constant(z, tf.float32), content.shape)
        terms, gradient = terms_and_gradient(image, targets)
        history.append(float(terms.total[0]))
        along_z = tf.reshape(gradient * lbfgs.SIGMOID_SLOPE * image * (1 - image), [-1])
        return history[-1] * scale, along_z.numpy().astype(np.float64) * scale

    start = lbfgs.lbfgs_start(content, 1).z.numpy().astype(np.float64)
    options = {"maxfun": _EVALUATIONS.value, "maxiter": 10**6, "maxcor": config.lbfgs_memory, "ftol": 0, "gtol": 0}
    found = scipy.optimize.minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    return history, lbfgs.lbfgs_image(tf.constant(found.x, tf.float32), content.shape)


if __name__ == "__main__":
    app.run(main)
