"""Memory of a process that stylises again and again: mixed sizes, both optimisers, then many configurations.

    python -m benchmarks.long_run --runs=2000 --configs=40

The real network at 16 to 64 px, two steps each; a new Adam graph is traced whenever the size changes.
"""

import gc
import itertools
import pathlib
import random
import time

import numpy as np
from absl import app, flags
from tensorflow.python.framework import func_graph

from nst_tf import configs
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer

_RUNS = flags.DEFINE_integer("runs", 2000, "stylisations of mixed sizes, one in five with Adam")
_CONFIGS = flags.DEFINE_integer("configs", 40, "configurations, one after another through stylize()")
_ROWS = flags.DEFINE_integer("rows", 10, "lines printed of each part")
STEPS = 2
SIDES_PX = (16, 64)


def main(_):
    print("| part | runs | resident MiB | traced graphs alive | s |\n|---|---|---|---|---|")
    networks = on_vgg19.SharedNetworks(configs.StyleTransferConfig().layers)
    engines = {name: transfer.StyleTransfer(config(optimizer=name), networks=networks) for name in ("lbfgs", "adam")}
    measure("mixed sizes", mixed_sizes(engines, _RUNS.value), _RUNS.value)
    del engines, networks
    measure("many configurations", many_configs(_CONFIGS.value), _CONFIGS.value)


def config(**overrides):
    return configs.preset("default", **({"steps": STEPS, "scales": 1, "precision": "float32"} | overrides))


def pictures(generator):
    """Content of any shape, and a square style, whose shorter side stays above the network's least."""
    height_px, width_px, style_px = (generator.randint(*SIDES_PX) for _ in range(3))
    pixels = np.random.default_rng(generator.randrange(2**32))
    return tuple(pixels.random([1, *size, 3], np.float32) for size in ((height_px, width_px), (style_px, style_px)))


def mixed_sizes(engines, runs, *, adam_every=5):
    """Yields after each stylisation; the sizes are drawn anew for each."""
    generator = random.Random(0)
    for run in range(runs):
        engine = engines["adam" if run % adam_every == adam_every - 1 else "lbfgs"]
        engine(*pictures(generator), on_message=lambda _: None)
        yield


def many_configs(runs):
    """Yields after each call of stylize(), every one with another configuration."""
    generator = random.Random(0)
    pools = itertools.product(("lbfgs", "adam"), ("average", "max"))
    for run, (optimizer, pooling) in zip(range(runs), itertools.cycle(pools), strict=False):
        chosen = config(optimizer=optimizer, pooling=pooling, style_weight=100.0 + run)
        transfer.stylize(*pictures(generator), chosen, on_message=lambda _: None)
        yield


def measure(part, steps, count):
    """Prints memory at the start, evenly through the steps, and at the end."""
    began = time.perf_counter()
    marks = {0, 1, *(round(count * row / _ROWS.value) for row in range(_ROWS.value + 1))}
    for done in range(count + 1):
        if done:
            next(steps)
        if done in marks:
            alive = graphs_alive()
            resident = resident_bytes() / 2**20
            print(f"| {part} | {done} | {resident:.0f} | {alive} | {time.perf_counter() - began:.0f} |", flush=True)


def graphs_alive():
    """Traced graphs that something still holds."""
    gc.collect()
    return sum(isinstance(thing, func_graph.FuncGraph) for thing in gc.get_objects())


def resident_bytes():
    """Of this process. Linux only."""
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    app.run(main)
