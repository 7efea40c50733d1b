"""Time to the first step: from starting Python to a picture's first evaluation, part by part.

    python -m benchmarks.startup --size=512
    python -m benchmarks.startup --size=384 --precision=float32 --convolution=winograd-all --clock=cpu

The parts of a fresh process in their order, medians over several processes: Python with nothing, importing TensorFlow
and nst_tf, reading the weights from the cache and building the network, tracing and taking the first step; the sum; and
a later step for comparison.
"""

import json
import statistics
import subprocess
import sys
import time

from absl import app, flags

from benchmarks import contestants
from cli import program

_SIZE = flags.DEFINE_integer("size", 512, "side of the square pictures, px")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "processes")
_PRECISION = flags.DEFINE_string("precision", "auto", "as --precision of nst-tf stylize")
_CONVOLUTION = flags.DEFINE_string("convolution", "auto", "as --convolution of nst-tf stylize")
_CLOCK = flags.DEFINE_enum("clock", "wall", list(contestants.CLOCKS), "cpu: CPU seconds, on a busy machine")
_WORKER = flags.DEFINE_boolean("worker", False, "measure in this process and print JSON")


def main(_):
    if _WORKER.value:
        print(json.dumps(measure()))
        return
    settings = [f"--{flag.name}={flag.value}" for flag in (_SIZE, _PRECISION, _CONVOLUTION, _CLOCK)]
    command = [sys.executable, "-m", "benchmarks.startup", "--worker", *settings]
    bare, parts = [], []
    for _ in range(_ROUNDS.value):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        bare.append(time.perf_counter() - began)
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        parts.append(json.loads(told.splitlines()[-1]))
    print(f"{_SIZE.value} x {_SIZE.value} px, medians of {_ROUNDS.value} processes\n\n| part | s |\n|---|---|")
    medians = {"Python alone": statistics.median(bare)}
    medians |= {part: statistics.median(taken[part] for taken in parts) for part in parts[0]}
    later = medians.pop("second step")
    for part, median in (medians | {"to the first step": sum(medians.values()), "second step": later}).items():
        print(f"| {part} | {median:.2f} |")


def measure():
    marks = {}
    clock = contestants.CLOCKS[_CLOCK.value]
    began = clock()

    def mark(part):
        nonlocal began
        now = clock()
        marks[part] = now - began
        began = now

    program.load_tensorflow()
    import tensorflow as tf

    mark("import tensorflow")
    from nst_tf import configs, fastest_convolution, precision, vgg
    from nst_tf.losses import objective
    from nst_tf.optimisation import lbfgs
    from nst_tf.pictures import images, samples
    from nst_tf.weights import cache, vgg19

    config = configs.preset("default")
    mark("import nst_tf")
    convolutions = vgg19.load().convolutions
    policy, _ = precision.resolve(_PRECISION.value)
    form = fastest_convolution.resolve(_CONVOLUTION.value, policy, cache.folder()).form
    extractor = vgg.feature_extractor(
        convolutions, config.layers, pooling=config.pooling, policy=policy, convolution=form
    )
    mark("weights and network")
    content, style = (
        tf.constant(images.resize(images.load(samples.PREFIX + name).pixels, _SIZE.value, _SIZE.value))
        for name in ("launch-pad", "van-gogh")
    )
    mark("pictures")
    goal = objective.Objective(extractor=extractor, config=config)
    targets = goal.targets(content, [style])
    mark("targets")
    optimizer = lbfgs.Lbfgs(goal.terms_and_gradient, content.shape, config)
    optimizer.start(content)
    one = tf.constant(1.0)
    float(optimizer.step(targets, one).total[0])
    mark("first step, traced")
    float(optimizer.step(targets, one).total[0])
    mark("second step")
    return marks


if __name__ == "__main__":
    app.run(main)
