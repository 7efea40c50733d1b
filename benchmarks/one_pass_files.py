"""What the files for LiteRT and ONNX Runtime cost beside the same pass from Python.

    nst-tf export --method=adain --style=sample:hiroshige --format=litert --output_dir=/tmp/files
    nst-tf export --method=adain --style=sample:hiroshige --format=onnx --output_dir=/tmp/files
    python -m benchmarks.one_pass_files --folder=/tmp/files

Medians of alternating rounds, on the CPU, all cores.
"""

import pathlib
import statistics
import time

import numpy as np
from absl import app, flags

from nst_tf import configs
from nst_tf.export import litert_onnx
from nst_tf.networks import one_pass
from nst_tf.pictures import images, samples

_FOLDER = flags.DEFINE_string("folder", None, "folder of the files", required=True)
_CONTENT = flags.DEFINE_string("content", "launch-pad", "sample that is rendered")
_STYLE = flags.DEFINE_string("style", "hiroshige", "sample that was baked in")
_HEIGHT_PX = flags.DEFINE_integer("height_px", 384, "as exported")
_WIDTH_PX = flags.DEFINE_integer("width_px", 512, "as exported")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds, after one that is not counted")


def main(_):
    content = images.resize(images.load(samples.PREFIX + _CONTENT.value).pixels, _HEIGHT_PX.value, _WIDTH_PX.value)
    style = images.load(samples.PREFIX + _STYLE.value, max_side_px=512)
    config = configs.AdainConfig(style_max_side_px=512, precision="float32")
    engine = one_pass.AdainTransfer(config)
    paths = sorted(path for path in pathlib.Path(_FOLDER.value).iterdir() if path.suffix in (".tflite", ".onnx"))
    strength = np.ones([1], np.float32)
    calls = {"Python": lambda: engine(content, style).image}  # its style is encoded in the first round only
    for path in paths:
        run = litert_onnx.runner(path.name, path.read_bytes())
        calls[path.name] = lambda run=run: run(content, strength)
    seconds, pictures = {name: [] for name in calls}, {}
    for round in range(_ROUNDS.value + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            pictures[name] = call()
            if round:
                seconds[name].append(time.perf_counter() - started)
    print("| | MiB | apart from Python, mean and most of 255 | s a picture | against Python |\n|---|---|---|---|---|")
    base = statistics.median(seconds["Python"])
    for name in calls:
        apart = np.abs(pictures[name] - pictures["Python"]) * 255
        size = f"{(pathlib.Path(_FOLDER.value) / name).stat().st_size / 2**20:.1f}" if name != "Python" else ""
        median = statistics.median(seconds[name])
        print(f"| {name} | {size} | {apart.mean():.3f}, {apart.max():.2f} | {median:.2f} | {median / base:.2f} |")


if __name__ == "__main__":
    app.run(main)
