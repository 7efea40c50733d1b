"""Writes what `train_styles.py` trained as the files that come with the package.

    python -m benchmarks.gpu.pack_styles --folder=in --trained=out/styles_1.3.npz --paintings=FOLDER \
        --output_dir=nst_tf/weights/styles

That is the network, whose kernels all styles share, and a style file for each painting. A network for one painting
(--new_width with one name) is written as a style that brings it along, for --method=one-style.
"""

import json
import pathlib

import numpy as np
from absl import app, flags

from benchmarks.gpu import lowering
from nst_tf.pictures import inputs
from nst_tf.weights import multi_style, paintings, style_files

_FOLDER = flags.DEFINE_string("folder", None, "that lower_styles.py wrote", required=True)
_TRAINED = flags.DEFINE_string("trained", None, "file of train_styles.py", required=True)
_PAINTINGS = flags.DEFINE_string("paintings", None, "folder of the paintings, NAME.jpg each", required=True)
_RECORD = flags.DEFINE_string("record", "{}", "JSON to keep in each style: steps, weights, machine")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "where the files go", required=True)


def main(_):
    output = pathlib.Path(_OUTPUT_DIR.value)
    about = json.loads((pathlib.Path(_FOLDER.value) / "about.json").read_text())
    with np.load(_TRAINED.value) as file:
        arrays = dict(file)
    kernels = {
        name.removeprefix("kernel/"): array.astype(np.float16).astype(np.float32)
        for name, array in arrays.items()
        if name.startswith("kernel/")
    }
    sha256 = multi_style.kernels_sha256(kernels)
    names = list(dict.fromkeys(name for name, _ in about["styles"]))
    for name in names:
        rows = [row for row, (of, _) in enumerate(about["styles"]) if of == name]
        sizes_px = tuple(about["styles"][row][1] for row in rows)
        picture = inputs.read_picture(pathlib.Path(_PAINTINGS.value) / f"{name}.jpg", "painting", max(sizes_px))
        style = style_files.StyleFile(
            name=name,
            network_sha256=sha256,
            stroke_sizes_px=sizes_px,
            gamma=arrays["gamma"][rows],
            beta=arrays["beta"][rows],
            about={
                "painting": {"name": f"{name}.jpg", "sha256": picture.sha256},
                "program": "benchmarks/gpu/train_styles.py",
                "settings": {key: about[key] for key in ("side_px", "batch", "tensorflow")} | json.loads(_RECORD.value),
            },
            kernels=kernels if len(names) == 1 else None,
        )
        style_files.write(output / f"{name}{style_files.SUFFIX}", style)
    if len(names) > 1:
        halves = {layer: kernel.astype(np.float16) for layer, kernel in kernels.items()}
        lowering.write(output / paintings.FILE, lambda file: np.savez(file, **halves))
        print(f"{paintings.FILE}: sha256 of the kernels {sha256}")


if __name__ == "__main__":
    app.run(main)
