"""What StyleAugment costs in a tf.data pipeline, against a plain loop over the same network.

    python -m benchmarks.augment --size=256

Both stylise every picture at full strength, in the same style and the same batches; the loop calls the traced network
alone. The pipeline maps one call after another, with AUTOTUNE, and with AUTOTUNE on a pool of one thread. Runs
alternate; the table holds the medians and the ratio to the loop, by the clock and by the seconds of CPU, which other
work on the machine disturbs less.
"""

import statistics
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import configs, pipelines
from nst_tf.networks import adain
from nst_tf.pictures import images

_SIZE = flags.DEFINE_integer("size", 256, "sides of the pictures, px")
_BATCH = flags.DEFINE_list("batch", ["1", "8"], "pictures in a batch; 1 maps before .batch()")
_PICTURES = flags.DEFINE_integer("pictures", 64, "pictures in a run")
_RUNS = flags.DEFINE_integer("runs", 3, "runs of each way")
_PRECISION = flags.DEFINE_string("precision", "auto", "number format of the network")
MAPS = {  # num_parallel_calls and private_threadpool_size; 0 is TensorFlow's own pool
    "map": (None, 0),
    "map, AUTOTUNE": (tf.data.AUTOTUNE, 0),
    "map, AUTOTUNE, one thread": (tf.data.AUTOTUNE, 1),
}


def main(_):
    loaded = adain.load(dtype_policy=_PRECISION.value)
    style = images.load("sample:van-gogh", max_side_px=512).pixels
    augment = pipelines.StyleAugment([style], configs.StyleAugmentConfig(probability=1), network=loaded.network)
    moments = loaded.network.style_moments(style)
    photograph = images.resize(images.load("sample:launch-pad").pixels, _SIZE.value, _SIZE.value)
    pictures = np.repeat(photograph, _PICTURES.value, axis=0)
    apply = tf.function(lambda batch: loaded.network.apply(batch, moments), reduce_retracing=True)
    print(f"\n{loaded.policy}, {_SIZE.value} px, {_PICTURES.value} pictures, medians of {_RUNS.value} runs\n")
    print("| in a batch | way | pictures/s | against the loop | by CPU |\n|---|---|---|---|---|")
    for size in map(int, _BATCH.value):
        batches = [tf.constant(pictures[start : start + size]) for start in range(0, len(pictures), size)]
        ways = {"plain loop": lambda b=batches: map(apply, b)}
        for name, (calls, threads) in MAPS.items():
            ways[name] = pipeline(augment, pictures, size, calls, threads).__iter__
        for run in ways.values():
            list(run())  # traces
        seconds, cpu_seconds = ({name: [] for name in ways} for _ in range(2))
        for _ in range(_RUNS.value):
            for name, run in ways.items():
                began, cpu_began = time.perf_counter(), time.process_time()
                for result in run():
                    result[-1].numpy()
                seconds[name].append(time.perf_counter() - began)
                cpu_seconds[name].append(time.process_time() - cpu_began)
        medians, cpu_medians = (
            {name: statistics.median(values) for name, values in taken.items()} for taken in (seconds, cpu_seconds)
        )
        for name, median in medians.items():
            ratios = [found["plain loop"] / found[name] for found in (medians, cpu_medians)]
            print(f"| {size} | {name} | {len(pictures) / median:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


def pipeline(augment, pictures, size, calls, threads):
    """The pictures through `map`: each alone where size is 1, else in batches."""
    dataset = tf.data.Dataset.from_tensor_slices(pictures)
    if size > 1:
        dataset = dataset.batch(size)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return (
        dataset.enumerate().map(lambda n, image: augment(image, seed=n), num_parallel_calls=calls).with_options(options)
    )


if __name__ == "__main__":
    app.run(main)
