"""Seconds of one step: nst_tf against PyTorch on the same network and objective, and the share of the machine's peak.

    python -m benchmarks.step --sizes=256,512,1024

Adam, five style layers to conv5_1, content conv4_2, square pictures. Alternating, medians. The peak is that of a matrix
multiplication of TensorFlow in the same run; a step's arithmetic is its convolutions forward and back to the image.
The package `neural-style` takes part where it is installed; see `neural_style_package`.
"""

import time

from absl import app, flags

from benchmarks import contestants, neural_style_package

_SIZES = flags.DEFINE_list("sizes", ["256", "512", "1024"], "sides, px")
_POOLING = flags.DEFINE_enum("pooling", "max", ["max", "average"], "of every contestant")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "turns of each contestant")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture, resized to a square")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture, resized to a square")
MATRIX_SIDE = 4096
PACKAGE = "neural-style 0.5.7, float32"
FIELDS = {
    "nst_tf float32": ("nst_tf", "float32"),
    "nst_tf bfloat16": ("nst_tf", "mixed_bfloat16"),
    "torch float32": ("torch", "float32", "contiguous"),
    "torch float32 channels-last": ("torch", "float32", "channels-last"),
    "torch bfloat16": ("torch", "bfloat16", "contiguous"),
    "torch bfloat16 channels-last": ("torch", "bfloat16", "channels-last"),
}


def main(_):
    peaks = matrix_peaks()
    print(", ".join(f"matrix-multiply peak {name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    print("\n| side, px | contestant | s/step | loss then | share of peak | against it |")
    print("|---|---|---|---|---|---|")
    for side in map(int, _SIZES.value):
        content, style = contestants.squares(side, _CONTENT.value, _STYLE.value)
        settings = {"pooling": _POOLING.value, "total_variation_weight": 0.0}
        running = {
            name: contestants.Contestant(kind, content, style, settings, *rest)
            for name, (kind, *rest) in FIELDS.items()
        }
        if neural_style_package.is_installed():
            running[PACKAGE] = neural_style_package.Package(content, style)
        contestants.alternate(running, rounds=_ROUNDS.value, steps=max(1, round(3 * (512 / side) ** 2)))
        for name, contestant in running.items():
            dtype = "bfloat16" if "bfloat16" in name else "float32"
            share = arithmetic(side) / contestant.median() / peaks[dtype]
            against = ""
            if name.startswith("nst_tf"):
                best = min(c.median() for n, c in running.items() if n.startswith(f"torch {dtype}"))
                against = f"{best / contestant.median():.2f}x torch {dtype}"
                if PACKAGE in running:
                    against += f", {running[PACKAGE].median() / contestant.median():.2f}x neural-style"
            print(
                f"| {side} | {name} | {contestant.median():.3f} | {contestant.loss:.4g} | {share:.0%} | {against} |",
                flush=True,
            )
            contestant.close()


def arithmetic(side):
    """Floating-point operations of a step: each convolution to conv5_1 forward, and back to its input."""
    from nst_tf import vgg

    total = 0
    for layer, (_, channels, filters) in zip(vgg.LAYERS, vgg.CONVOLUTIONS, strict=True):
        positions = (side >> (vgg.block(layer) - 1)) ** 2
        total += 2 * (2 * 9 * channels * filters * positions)
        if layer == "conv5_1":
            return total
    raise ValueError("no conv5_1")


def matrix_peaks():
    import tensorflow as tf

    peaks = {}
    for name, dtype in (("float32", tf.float32), ("bfloat16", tf.bfloat16)):
        a = tf.cast(tf.random.normal([MATRIX_SIDE, MATRIX_SIDE]), dtype)
        multiply = tf.function(lambda x: tf.matmul(x, x))
        multiply(a)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            float(tf.cast(multiply(a)[0, 0], tf.float32))
            seconds.append(time.perf_counter() - began)
        peaks[name] = 2 * MATRIX_SIDE**3 / min(seconds)
    return peaks


if __name__ == "__main__":
    app.run(main)
