"""Trains the style files that come with the package, one after the other, and prints the table of the run.

    python -m benchmarks.styles --paintings=FOLDER --photographs=FOLDER --output_dir=nst_tf/weights/styles

Each painting is FOLDER/NAME.jpg. Styles whose file is there already are left as they are, so that an interrupted run
continues. With --sheets each style is drawn on some photographs, for looking at.
"""

import pathlib
import time

import numpy as np
from absl import app, flags, logging

from nst_tf import configs, training
from nst_tf.networks import multi_style
from nst_tf.pictures import images
from nst_tf.weights import style_files

NAMES = (
    "starry-night",
    "great-wave",
    "auvers",
    "composition-viii",
    "summertime",
    "bouquet",
    "redon",
    "ejiri",
)
# What differs from the defaults of `nst-tf train`: more steps on larger squares, of which more have an even sky.
RECIPE = {"steps": 350, "crop_px": 160, "flat_share": 0.35}
STROKES_PX = {"composition-viii": 512.0}  # a painting of large shapes
CONTENT_WEIGHTS = {"ejiri": 0.6}  # at the default its broad brush dissolves houses

_PAINTINGS = flags.DEFINE_string("paintings", None, "folder of the paintings", required=True)
_PHOTOGRAPHS = flags.DEFINE_string("photographs", None, "folder or glob of the photographs", required=True)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/styles", "where the style files go")
_NAMES = flags.DEFINE_list("names", list(NAMES), "the styles")
_STEPS = flags.DEFINE_integer("steps", RECIPE["steps"], "steps of each")
_THREADS = flags.DEFINE_integer("threads", 0, "threads of an operation; 0 for every core")
_SHEETS = flags.DEFINE_list("sheets", [], "photographs that each style is drawn on")


def main(_):
    logging.set_verbosity(logging.INFO)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    output = pathlib.Path(_OUTPUT_DIR.value)
    print("| style | s | steps | content | style | bytes |\n|---|---|---|---|---|---|")
    for name in _NAMES.value:
        path = output / f"{name}{style_files.SUFFIX}"
        if not path.exists():
            train(name, path)
        if _SHEETS.value:
            images.save(output / f"{name}.sheet.png", sheet(style_files.read(path)))


def train(name, path):
    config = configs.TrainingConfig(
        **{**RECIPE, "steps": _STEPS.value},
        stroke_sizes_px=(STROKES_PX.get(name, 384.0),),
        content_weight=CONTENT_WEIGHTS.get(name, configs.TrainingConfig.content_weight),
    )
    began = time.perf_counter()
    learned = training.learn_style(
        pathlib.Path(_PAINTINGS.value) / f"{name}.jpg",
        config,
        name=name,
        photographs=_PHOTOGRAPHS.value,
        on_report=on_report,
    )
    learned.save(path)
    content, style = (learned.losses[term][-50:].mean() for term in ("content", "style"))
    seconds = time.perf_counter() - began
    print(
        f"| {name} | {seconds:.0f} | {len(learned.losses['total'])} | {content:.3f} | {style:.3f} | "
        f"{path.stat().st_size} |",
        flush=True,
    )


def on_report(report):
    if report.step % 50 == 0:
        numbers = " ".join(f"{name} {loss:.4f}" for name, loss in report.losses.items())
        logging.info("%d/%d %s, %.2f s a step", report.step, report.steps, numbers, report.seconds_per_step)


def sheet(style):
    """The photographs in the style, in a row, 256 px high."""
    network = multi_style.load().network
    pictures = []
    for source in _SHEETS.value:
        picture = images.load(source, max_side_px=512)
        image = network(picture.pixels, multi_style.Style(*style.at(None))).numpy()
        pictures.append(images.resize(image, 256, round(256 * picture.width_px / picture.height_px)))
    return np.concatenate(pictures, axis=2)


if __name__ == "__main__":
    app.run(main)
