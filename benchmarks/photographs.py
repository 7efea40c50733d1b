"""Photographs in the light of other photographs: the preset photo against the one before it and plain Gatys.

    python -m benchmarks.photographs --pairs=day.jpg+dusk.jpg,harbour.jpg+night.jpg --output_dir=outputs/photographs

Each way stylises every pair and writes its pictures to the folder; a picture that is there already is judged, not made
again. sheet.png shows the content, the style and the results of each pair, in an order drawn for each pair that only
key/key.json tells, so that somebody can say without knowing which could be a photograph.

Edges is the correlation of the luminance's gradients with the content's: 1 where every line is where it was. The
artefacts are those of `nst_tf.evaluation`, of the result and of the content photograph itself.
"""

import dataclasses
import json
import pathlib
import time

import numpy as np
from absl import app, flags
from PIL import Image

from nst_tf import configs, evaluation, files
from nst_tf.evaluation import artefacts
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer
from nst_tf.pictures import colours, images

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/photographs", "where the pictures go")
_SIZE = flags.DEFINE_integer("size", 256, "long side, px")
_STEPS = flags.DEFINE_integer("steps", 60, "evaluations at each size")
_PAIRS = flags.DEFINE_list("pairs", ["sample:launch-pad+sample:shuttle-landing"], "content+style, with commas between")
_ONLY = flags.DEFINE_list("only", [], "names of the ways to run; all when empty")
_SEED = flags.DEFINE_integer("seed", 0, "of the order in the sheet")

WAYS = {
    "photo": configs.preset("photo"),
    # total variation, no matting, no filter
    "photo before": configs.preset("default", style_weight=20.0, scales=2, **configs.WITHOUT_CLEANING),
    "plain Gatys": configs.preset("gatys"),
}
_CELL_PX = 300  # height of a picture in the sheet
_GAP_PX = 6


def main(_):
    folder = pathlib.Path(_OUTPUT_DIR.value)
    ways = {name: way for name, way in WAYS.items() if not _ONLY.value or name in _ONLY.value}
    networks = on_vgg19.SharedNetworks(WAYS["photo"].layers)
    generator, key, rows = np.random.default_rng(_SEED.value), {}, []
    print(f"{_SIZE.value} px, {_STEPS.value} steps\n\n| pair | way | edges | crosshatch | specks | frame | noise | s |")
    print(f"|{'---|' * 8}", flush=True)
    for pair in _PAIRS.value:
        content, style = (images.load(source, max_side_px=_SIZE.value) for source in pair.split("+"))
        name = "-".join(pathlib.Path(picture.name.removeprefix("sample:")).stem for picture in (content, style))
        print_row(name, "the content", content.pixels, content.pixels, 0.0)
        results = {}
        for way, config in ways.items():
            path = folder / f"{name}-{way}.png".replace(" ", "-")
            seconds = float("nan")
            if not path.exists():
                sizes = {"max_side_px": _SIZE.value, "steps": _STEPS.value, "coarse_steps": _STEPS.value}
                began = time.perf_counter()
                images.save(path, stylised(content, style, dataclasses.replace(config, **sizes), networks))
                seconds = time.perf_counter() - began
            results[way] = images.load(path).pixels
            print_row(name, way, results[way], content.pixels, seconds)
        order = list(generator.permutation(list(results)))
        key[name] = [str(way) for way in order]
        rows.append([content.pixels, style.pixels, *(results[way] for way in order)])
    write_sheet(folder / "sheet.png", rows)
    files.write_atomically(folder / "key" / "key.json", json.dumps(key, indent=1).encode())


def stylised(content, style, config, networks):
    """The picture that a way makes of a pair."""
    engine = transfer.StyleTransfer(config, networks=networks)
    return engine(content, style, on_message=lambda _: None).image


def print_row(name, way, pixels, content, seconds):
    """The measures of one picture."""
    values = (
        edges(pixels, content),
        artefacts.crosshatch(pixels, content),
        artefacts.specks(pixels, content),
        artefacts.frame(pixels),
        evaluation.high_frequency_share(pixels),
        seconds,
    )
    print(f"| {name} | {way} | {' | '.join(f'{value:.3g}' for value in values)} |", flush=True)


def edges(pixels, content):
    """The correlation of the strengths of two pictures' edges: the gradients of the luma, by central differences."""
    strengths = [np.hypot(*np.gradient(colours.luma(picture)[0, :, :, 0])).ravel() for picture in (pixels, content)]
    return float(np.corrcoef(*strengths)[0, 1])


def write_sheet(path, rows):
    """A row for each pair, each picture as high as the others."""
    cells = [[_cell(pixels) for pixels in row] for row in rows]
    widths = [max(row[column].width for row in cells) for column in range(len(cells[0]))]
    sheet = Image.new("RGB", (sum(widths) + _GAP_PX * len(widths), len(cells) * (_CELL_PX + _GAP_PX)), "white")
    for row, pictures in enumerate(cells):
        for column, picture in enumerate(pictures):
            sheet.paste(picture, (sum(widths[:column]) + _GAP_PX * column, row * (_CELL_PX + _GAP_PX)))
    images.save(path, np.asarray(sheet))


def _cell(pixels):
    width_px = round(pixels.shape[2] * _CELL_PX / pixels.shape[1])
    return Image.fromarray(np.rint(images.resize(pixels, _CELL_PX, width_px)[0] * 255).astype(np.uint8))


if __name__ == "__main__":
    app.run(main)
