"""What a bundle costs: load time, memory, size, and its requests against the same calls from Python.

    nst-tf export --output_dir=/tmp/models/gatys
    nst-tf export --method=adain --output_dir=/tmp/models/adain
    python -m benchmarks.serving --bundle=/tmp/models/gatys/1 --side_px=128 --steps=10
    nst-tf export --method=multi-style --size=1024 --output_dir=/tmp/models/styles
    python -m benchmarks.serving --bundle=/tmp/models/adain/1 --side_px=256
    python -m benchmarks.serving --bundle=/tmp/models/styles/1 --side_px=512

The bundle runs in TensorFlow's C library, as in a server; a picture goes in and comes out encoded on both sides. The
network between client and server is left out. Medians of alternating rounds.
"""

import json
import multiprocessing
import pathlib
import resource
import statistics
import time

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.export import replay
from nst_tf.pictures import images, samples

_BUNDLE = flags.DEFINE_string("bundle", None, "folder of a version", required=True)
_SIDE_PX = flags.DEFINE_integer("side_px", 256, "long side of the pictures")
_STEPS = flags.DEFINE_integer("steps", 10, "evaluations at each size, for gatys")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "rounds, after one that is not counted")
_BATCHES = flags.DEFINE_list("batches", ["1", "4", "8"], "sizes of a request")


def main(_):
    bundle = pathlib.Path(_BUNDLE.value)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        load_s, loaded_mib, peak_mib = pool.apply(loading, (bundle,))
    size_mib = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) / 2**20
    print("| | size | load | memory once loaded | peak of one request |\n|---|---|---|---|---|")
    print(f"| {bundle.parent.name} | {size_mib:.0f} MiB | {load_s:.1f} s | {loaded_mib:.0f} MiB | {peak_mib:.0f} MiB |")
    call, session = python(bundle), replay.Session(bundle)  # in this order: the C library brings a TLS of its own
    print("\n| in a request | bundle, s a picture | Python, s a picture | bundle / Python |\n|---|---|---|---|")
    for batch in map(int, _BATCHES.value):
        inputs = request(bundle, batch)
        seconds = {"bundle": [], "python": []}
        for round in range(_ROUNDS.value + 1):
            for name in seconds:
                started = time.perf_counter()
                session.run("serving_default", inputs) if name == "bundle" else call(inputs)
                if round:
                    seconds[name].append((time.perf_counter() - started) / batch)
        ours, theirs = (statistics.median(seconds[name]) for name in ("bundle", "python"))
        print(f"| {batch} | {ours:.3f} | {theirs:.3f} | {ours / theirs:.2f} |", flush=True)


def loading(bundle):
    """In a fresh process: seconds to load, resident MiB then, and the most of all after a first request."""
    started = time.perf_counter()
    session = replay.Session(bundle)
    load_s = time.perf_counter() - started
    loaded_mib = int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    with np.load(bundle / "assets.extra" / "examples" / "pictures.inputs.npz") as archive:
        inputs = dict(archive)
    session.run(str(inputs.pop("signature")), inputs)
    return load_s, loaded_mib, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def request(bundle, batch):
    """The inputs of serving_default: samples in turn, each in the style of the next."""
    names = [samples.NAMES[i % len(samples.NAMES)] for i in range(batch + 1)]
    encoded = [
        images.encode(images.load(samples.PREFIX + name, max_side_px=_SIDE_PX.value).pixels, ".png") for name in names
    ]
    values = {"content_bytes": np.array(encoded[:-1]), "max_side_px": np.full([batch], _SIDE_PX.value, np.int32)}
    strengths, styles = {"style_strength": np.ones([batch], np.float32)}, {"style_bytes": np.array(encoded[1:])}
    if manifest(bundle)["method"] == "multi-style":
        return values | strengths | {"style": np.array([str(number).encode() for number in range(batch)])}
    values |= styles
    if manifest(bundle)["method"] == "adain":
        return values | strengths
    controls = {"steps": np.int32(_STEPS.value), "content_weight": np.float32(1), "seed": np.int32(0)}
    return values | {name: np.full([batch], value) for name, value in controls.items()}


def python(bundle):
    """The same work through the library: encoded pictures to encoded pictures, one after the other."""
    record = manifest(bundle)
    if record["method"] == "adain":
        from nst_tf.networks import one_pass

        settings = record["config"] | {"max_side_px": _SIDE_PX.value, "precision": record["precision"]}
        engine = one_pass.AdainTransfer(configs.AdainConfig(**settings))
    elif record["method"] == "multi-style":
        from nst_tf.networks import multi_style_transfer

        settings = record["config"] | {"max_side_px": _SIDE_PX.value}
        stylise = multi_style_transfer.MultiStyleTransfer(configs.MultiStyleConfig(**settings))

        def engine(content, style):
            return stylise(content, f"style:{style.decode()}")
    else:
        from nst_tf.export import gatys_schedule
        from nst_tf.optimisation import transfer

        config = configs.StyleTransferConfig(**record["config"])
        coarse_steps = int(gatys_schedule.coarse_steps_for(config, _STEPS.value))
        steps = {"steps": _STEPS.value, "coarse_steps": coarse_steps, "max_side_px": _SIDE_PX.value}
        engine = transfer.StyleTransfer(configs.StyleTransferConfig(**(record["config"] | steps)))

    def call(inputs):
        styles = inputs["style"] if "style" in inputs else map(images.load, map(bytes, inputs["style_bytes"]))
        for content, style in zip(inputs["content_bytes"], styles, strict=True):
            images.encode(engine(images.load(bytes(content)), style).image, ".png")

    return call


def manifest(bundle):
    return json.loads((bundle / "assets.extra" / "manifest.json").read_text())


if __name__ == "__main__":
    app.run(main)
