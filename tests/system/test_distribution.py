"""StyleAugment under tf.distribute on two logical CPUs, which a process can only set at its start."""

import json
import subprocess
import sys

import pytest

from tests.system import command_line

pytestmark = pytest.mark.slow  # that draws depend on seeds alone has tests in tests/unit/pipelines

_PROGRAM = """
import json
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from nst_tf import configs, pipelines
from tests.tiny import tiny_adain, tiny_network

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
pictures = np.concatenate([tiny_network.picture(12, 16, seed=seed) for seed in range(8)])
style = [tiny_network.picture(12, 12, seed=9)]
settings = configs.StyleAugmentConfig(probability=0.5, strength=(0.2, 1.0))
plain = pipelines.StyleAugment(style, settings, network=tiny_adain.network())
with strategy.scope():
    mirrored = pipelines.StyleAugment(style, settings, network=tiny_adain.network())
    model = keras.Sequential(
        [keras.Input([12, 16, 3]), mirrored, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    )
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

images = tf.data.Dataset.from_tensor_slices(pictures)
result = {"replicas": strategy.num_replicas_in_sync}

def largest_difference(augment):
    dataset = images.enumerate().map(lambda n, image: augment(image, seed=n), num_parallel_calls=2).batch(8)
    expected = np.stack([plain(image, seed=n) for n, image in enumerate(pictures)])
    (batch,) = strategy.experimental_distribute_dataset(dataset)
    received = np.concatenate([part.numpy() for part in strategy.experimental_local_results(batch)])
    return float(np.abs(received - expected).max())

result["built outside"] = largest_difference(plain)
result["built in the scope"] = largest_difference(mirrored)
same = tf.data.Dataset.from_tensors(np.repeat(pictures[:1], 8, axis=0))
(batch,) = strategy.experimental_distribute_dataset(same.unbatch().batch(8))
step = tf.function(lambda part: mirrored(part, training=True))
outputs = [p.numpy() for p in strategy.experimental_local_results(strategy.run(step, args=(batch,)))]
result["shares"] = [len(part) for part in outputs]
result["replicas draw alike"] = bool(np.array_equal(*outputs))
history = model.fit(tf.data.Dataset.from_tensor_slices((pictures, np.arange(8) % 2)).batch(4), epochs=2, verbose=0)
result["loss"] = history.history["loss"]
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def result():
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=command_line.ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


def test_a_dataset_that_maps_it_is_distributed(result):
    assert result["replicas"] == 2
    assert result["built outside"] < 1e-5
    assert result["built in the scope"] < 1e-5


def test_replicas_draw_for_themselves(result):
    assert result["shares"] == [4, 4]
    assert not result["replicas draw alike"]


def test_a_model_that_holds_it_trains(result):
    assert len(result["loss"]) == 2
    assert all(0 < loss < 10 for loss in result["loss"])
