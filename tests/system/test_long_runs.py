"""A process that stylises again and again keeps neither memory nor traced graphs."""

import sys

import pytest

from benchmarks import long_run
from nst_tf.optimisation import transfer
from tests.tiny import tiny_network

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


def engines():
    network = tiny_network.TinyNetwork()
    return {
        name: transfer.StyleTransfer(tiny_network.config(optimizer=name, steps=2), extractor=network)
        for name in ("lbfgs", "adam")
    }


def run(steps, count):
    for _ in range(count):
        next(steps)


@pytest.mark.parametrize("optimizer", ["lbfgs", pytest.param("adam", marks=pytest.mark.slow)])
def test_a_change_of_size_keeps_no_graph_of_the_size_before(optimizer):
    steps = long_run.mixed_sizes(engines(), 20, adam_every=1 if optimizer == "adam" else 100)
    run(steps, 3)
    before = long_run.graphs_alive()
    run(steps, 4)
    assert before > 0
    assert long_run.graphs_alive() <= before


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_discarded_configuration_keeps_no_graph(optimizer):
    network = tiny_network.TinyNetwork()
    configs = (tiny_network.config(optimizer=optimizer, steps=2, seed=i) for i in range(12))
    counts = []
    for config in configs:
        content = tiny_network.picture(height=20 + config.seed)
        transfer.stylize(content, tiny_network.picture(), config, extractor=network)
        counts.append(long_run.graphs_alive())
    assert max(counts[2:]) <= max(counts[:2])


@linux
@pytest.mark.slow
def test_memory_stays_flat_over_many_sizes():
    steps = long_run.mixed_sizes(engines(), 800)
    run(steps, 300)
    before = long_run.resident_bytes()
    run(steps, 500)
    # Measured: 25 to 64 MiB, TensorFlow's caches of shapes, and no graph more; one graph kept by each run is 500 MiB.
    assert long_run.resident_bytes() - before < 100 * 2**20
