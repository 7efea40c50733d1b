"""The products of two vectors that L-BFGS needs 80 of in a step: of a row with a column, or of two rows.

    python -m benchmarks.products

For the vectors of square pictures: milliseconds for twenty products in one graph, the least of many runs, and the root
mean square error of a product in float32, in units of the root of the vectors' length.
"""

import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf.optimisation import lbfgs

_SIDES = flags.DEFINE_list("sides", ["128", "256", "512"], "of the pictures, px")
_PAIRS = flags.DEFINE_integer("pairs", 20, "products in a graph")
_RUNS = flags.DEFINE_integer("runs", 20, "timed")


def of_elements(vectors, b):
    return tf.stack([tf.reduce_sum(a * b) for a in vectors])


def main(_):
    print("| side, px | form | ms | error |\n|---|---|---|---|")
    generator = np.random.default_rng(0)
    for side in map(int, _SIDES.value):
        values = generator.standard_normal([_PAIRS.value + 1, 3 * side**2]).astype(np.float32)
        exact = values[:-1].astype(np.float64) @ values[-1].astype(np.float64)
        *vectors, last = map(tf.constant, values)
        for form in (lbfgs.column_products, lbfgs.row_products, of_elements):
            seconds, found = timed(form, vectors, last)
            error = np.sqrt(np.mean((found - exact) ** 2) / values.shape[1])
            print(f"| {side} | {form.__name__.replace('_', ' ')} | {seconds * 1e3:.1f} | {error:.1e} |", flush=True)


def timed(form, vectors, last):
    """The least seconds of a graph of products, and the products."""
    graph = tf.function(lambda: form(vectors, last), autograph=False)
    found, seconds = graph().numpy(), []
    for _ in range(_RUNS.value):
        began = time.perf_counter()
        graph().numpy()
        seconds.append(time.perf_counter() - began)
    return min(seconds), found


if __name__ == "__main__":
    app.run(main)
