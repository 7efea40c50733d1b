r"""Seconds of one step: nst_tf against PyTorch on the same network and objective, and the share of the machine's peak.

    python -m benchmarks.step --sizes=384,512,1024
    ONEDNN_MAX_CPU_ISA=AVX2 TF_ENABLE_ONEDNN_OPTS=0 python -m benchmarks.step --sizes=384,512,1024 \
        --only="nst_tf float32 auto,torch float32 channels-last"

Adam, five style layers to conv5_1, content conv4_2, square pictures. Alternating, least and median; ratios are of the
least, which other work on the machine disturbs least. The second line is nearly what TensorFlow and PyTorch run on a
CPU with AVX2 only: the products of both are oneDNN's, which keeps to AVX2 then. The peak is that of a matrix
multiplication of TensorFlow in the same run; a step's arithmetic is its convolutions forward and back to the image.
`auto` is the form of the convolutions that `--convolution=auto` takes, which is printed; the other forms take part
where `--only` names them. On a busy machine: `--clock=cpu --threads=1`. The package `neural-style` takes part where it
is installed; see `neural_style_package`.
"""

from absl import app, flags

from benchmarks import contestants, neural_style_package
from cli import program
from nst_tf import machine
from nst_tf.vgg import forms

_SIZES = flags.DEFINE_list("sizes", ["256", "512", "1024"], "sides, px")
_POOLING = flags.DEFINE_enum("pooling", "max", ["max", "average"], "of every contestant")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "turns of each contestant")
_STEPS = flags.DEFINE_integer("steps", 0, "of a turn; 0: more of them where the picture is small")
_THREADS = flags.DEFINE_integer("threads", 0, "of each contestant; 0: one for each core")
_CLOCK = flags.DEFINE_enum("clock", "wall", list(contestants.CLOCKS), "cpu: CPU seconds; on a busy machine, one thread")
_ONLY = flags.DEFINE_list("only", None, "contestants to run; by default all but the forms that `auto` chooses among")
_CONTENT = flags.DEFINE_string("content", "sample:launch-pad", "content picture, resized to a square")
_STYLE = flags.DEFINE_string("style", "sample:van-gogh", "style picture, resized to a square")
MATRIX_SIDE = 2048
OURS = {f"nst_tf float32 {form}": ("nst_tf", "float32", form) for form in ("auto", *forms.FORMS)}
BY_NAME_ONLY = (*(name for name in OURS if "auto" not in name and "direct" not in name), "nst_tf bfloat16 winograd")
PACKAGE = "neural-style 0.5.7, float32"
FIELDS = {
    **OURS,
    "nst_tf bfloat16 direct": ("nst_tf", "mixed_bfloat16", "direct"),
    "nst_tf bfloat16 winograd": ("nst_tf", "mixed_bfloat16", "winograd"),
    "torch float32": ("torch", "float32", "contiguous"),
    "torch float32 channels-last": ("torch", "float32", "channels-last"),
    "torch bfloat16": ("torch", "bfloat16", "contiguous"),
    "torch bfloat16 channels-last": ("torch", "bfloat16", "channels-last"),
}


def main(_):
    threads = _THREADS.value or machine.cores()
    from nst_tf import fastest_convolution
    from nst_tf.weights import cache

    peaks = matrix_peaks(threads, contestants.CLOCKS[_CLOCK.value])
    choice = fastest_convolution.resolve("auto", "float32", cache.folder())
    print(f"float32 auto: {choice.form}, {choice.reason}")
    print(", ".join(f"matrix-multiply peak {name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    print("\n| side, px | contestant | s/step, least | median | loss then | share of peak | against it |")
    print("|---|---|---|---|---|---|---|")
    wanted = _ONLY.value or [name for name in FIELDS if name not in BY_NAME_ONLY]
    fields = {name: field for name, field in FIELDS.items() if name in wanted}
    for side in map(int, _SIZES.value):
        content, style = contestants.squares(side, _CONTENT.value, _STYLE.value)
        settings = {"pooling": _POOLING.value, "total_variation_weight": 0.0}
        running = {
            name: contestants.Contestant(kind, content, style, settings, threads, *rest, clock=_CLOCK.value)
            for name, (kind, *rest) in fields.items()
        }
        if not _ONLY.value and neural_style_package.is_installed():
            running[PACKAGE] = neural_style_package.Package(content, style)
        steps = _STEPS.value or max(1, round(3 * (512 / side) ** 2))
        contestants.alternate(running, rounds=_ROUNDS.value, steps=steps)
        for name, contestant in running.items():
            dtype = "bfloat16" if "bfloat16" in name else "float32"
            seconds = contestant.least()
            rivals = [c.least() for n, c in running.items() if n.startswith(f"torch {dtype}")]
            against = [f"{min(rivals) / seconds:.2f}x torch {dtype}"] if rivals else []
            if PACKAGE in running:
                against.append(f"{running[PACKAGE].least() / seconds:.2f}x neural-style")
            print(
                f"| {side} | {name} | {seconds:.3f} | {contestant.median():.3f} | {contestant.loss:.4g} "
                f"| {arithmetic(side) / seconds / peaks[dtype]:.0%} "
                f"| {', '.join(against) if name.startswith('nst_tf') else ''} |",
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


def matrix_peaks(threads, clock):
    program.load_tensorflow()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    peaks = {}
    for name, dtype in (("float32", tf.float32), ("bfloat16", tf.bfloat16)):
        a = tf.cast(tf.random.normal([MATRIX_SIDE, MATRIX_SIDE]), dtype)
        multiply = tf.function(lambda x: tf.matmul(x, x))
        multiply(a)
        seconds = []
        for _ in range(5):
            began = clock()
            float(tf.cast(multiply(a)[0, 0], tf.float32))
            seconds.append(clock() - began)
        peaks[name] = 2 * MATRIX_SIDE**3 / min(seconds)
    return peaks


if __name__ == "__main__":
    app.run(main)
