"""What StyleAugment costs in a tf.data pipeline, against a plain loop over the same network.

    python -m benchmarks.augment --size=256

Both stylise every picture at full strength, in the same style and the same batches; the loop calls the traced network
alone. Runs alternate; the table holds the medians and their ratio.
"""

import statistics
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from nst_tf import images, pipeline_configs, pipelines, samples
from nst_tf.networks import adain

_SIZE = flags.DEFINE_integer("size", 256, "sides of the pictures, px")
_BATCH = flags.DEFINE_list("batch", ["1", "8"], "pictures in a batch; 1 maps before .batch()")
_PICTURES = flags.DEFINE_integer("pictures", 16, "pictures in a run")
_RUNS = flags.DEFINE_integer("runs", 5, "runs of each way")
_PRECISION = flags.DEFINE_string("precision", "auto", "number format of the network")


def main(_):
    loaded = adain.load(dtype_policy=_PRECISION.value)
    style = samples.load("van-gogh", max_side_px=512).pixels
    augment = pipelines.StyleAugment(
        [style], pipeline_configs.StyleAugmentConfig(probability=1), network=loaded.network
    )
    moments = loaded.network.style_moments(style)
    photograph = images.resize(samples.load("launch-pad").pixels, _SIZE.value, _SIZE.value)
    pictures = np.repeat(photograph, _PICTURES.value, axis=0)
    apply = tf.function(lambda batch: loaded.network.apply(batch, moments), reduce_retracing=True)
    print(f"\n{loaded.policy}, {_SIZE.value} px, {_PICTURES.value} pictures, medians of {_RUNS.value} runs\n")
    print("| in a batch | plain loop, pictures/s | StyleAugment, pictures/s | ratio |\n|---|---|---|---|")
    for size in map(int, _BATCH.value):
        batches = [tf.constant(pictures[start : start + size]) for start in range(0, len(pictures), size)]
        dataset = pipeline(augment, pictures, size)
        ways = {"loop": lambda b=batches: [apply(batch) for batch in b], "dataset": lambda d=dataset: list(d)}
        for run in ways.values():
            run()  # traces
        seconds = {name: [] for name in ways}
        for _ in range(_RUNS.value):
            for name, run in ways.items():
                began = time.perf_counter()
                for result in run():
                    result[-1].numpy()
                seconds[name].append(time.perf_counter() - began)
        loop, mapped = (len(pictures) / statistics.median(seconds[name]) for name in ways)
        print(f"| {size} | {loop:.2f} | {mapped:.2f} | {mapped / loop:.2f} |", flush=True)


def pipeline(augment, pictures, size):
    """The pictures through `map`: each alone where size is 1, else in batches."""
    dataset = tf.data.Dataset.from_tensor_slices(pictures)
    if size > 1:
        dataset = dataset.batch(size)
    return dataset.enumerate().map(lambda n, image: augment(image, seed=n), num_parallel_calls=tf.data.AUTOTUNE)


if __name__ == "__main__":
    app.run(main)
