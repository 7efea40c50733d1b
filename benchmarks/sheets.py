"""Sheets to judge by: for each pair content, style and two results side by side, unlabelled and in random order.

    python -m benchmarks.sheets --output_dir=outputs/sheets
    python -m benchmarks.sheets --contestants=good,draft --size=512
    python -m benchmarks.sheets --output_dir=outputs/sheets --table

`NUMBER.png` of `CONTESTANT-against-CONTESTANT/` shows the content and the style above A and B; `key.json`, beside the
folder and not in it, says which is which. A picture that is there already is not made again, so those of another
program are judged by putting them into `pictures/SIZE/NAME/CONTENT-STYLE.png` and adding NAME to the contestants. Those
of the package neural-style are made by `benchmarks.neural_style_pictures`.

--table prints the artefacts of the same pictures, and their objective by that of the default in float32, without its
terms against specks, a frame and a crosshatch.
"""

import json
import pathlib
import random
import statistics
import time

from absl import app, flags
from PIL import Image

from nst_tf import configs, files
from nst_tf.evaluation import scores
from nst_tf.optimisation import transfer
from nst_tf.pictures import images

CONTESTANTS = {  # what differs from the preset default
    # The default before there were qualities.
    "full": {"steps": 100, "coarse_steps": 100, "content_detail": 0.0, **configs.WITHOUT_CLEANING},
    "before": dict(configs.WITHOUT_CLEANING),  # `good` before there were terms against specks, a frame and a crosshatch
    **{quality: {"quality": quality} for quality in configs.QUALITIES},
}
PAIRS = (  # portraits, animals, buildings, still lifes, skies; coarse strokes and fine ones
    "temple+starry-night", "temple+auvers", "cat+starry-night", "cat+great-wave", "raccoon+summertime",
    "astronaut+bouquet", "astronaut+composition-viii", "coffee+cezanne", "flower+redon", "skylab+great-wave",
    "shuttle-landing+ejiri", "launch-pad+auvers",
)  # fmt: skip

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/sheets", "where pictures, sheets and the key go")
_CONTESTANTS = flags.DEFINE_list(
    "contestants", ["full", "good"], f"{', '.join(CONTESTANTS)}, or names of folders; each meets the last one"
)
_PAIRS = flags.DEFINE_list("pairs", list(PAIRS), "content+style: samples or paths")
_SIZE = flags.DEFINE_integer("size", 320, "long side, px")
_TABLE = flags.DEFINE_bool("table", False, "print the measures of the pictures in place of drawing sheets")
_SEED = flags.DEFINE_integer("seed", 1, "of the order of A and B and of the sheets")

_GAP_PX = 12


def main(_):
    folder, order = pathlib.Path(_OUTPUT_DIR.value), random.Random(_SEED.value)
    *others, champion = _CONTESTANTS.value
    for pair in _PAIRS.value:
        for name in _CONTESTANTS.value:
            made(folder, pair, name)
    if _TABLE.value:
        print_table(folder)
        return
    key = {}
    for other in others:
        sheets = folder / f"{other}-against-{champion}"
        numbers = order.sample(range(1, len(_PAIRS.value) + 1), len(_PAIRS.value))
        for number, pair in sorted(zip(numbers, _PAIRS.value, strict=True)):
            names = order.sample([other, champion], 2)
            key[f"{sheets.name}/{number:02}.png"] = {"pair": pair, "A": names[0], "B": names[1]}
            pictures = [_load(source) for source in sources(pair)] + [made(folder, pair, name) for name in names]
            sheets.mkdir(parents=True, exist_ok=True)
            sheet(pictures).save(sheets / f"{number:02}.png")
    files.write_atomically(folder / "key.json", json.dumps(key, indent=1).encode())


def made(folder, pair, name):
    """The picture of a pair by a contestant, made where it is not there yet."""
    path = path_of(folder, pair, name)
    if not path.exists():
        config = configs.preset("default", max_side_px=_SIZE.value, **CONTESTANTS[name])
        began = time.process_time()
        content, style = sources(pair)
        images.save(path, transfer.stylize(content, style, config).image)
        print(f"{path}: {time.process_time() - began:.0f} CPU s", flush=True)
    return Image.open(path).convert("RGB")


def print_table(folder):
    """Objective and artefacts of every picture, the medians, and the objective's ratio to the first contestant's."""
    print("| pair | contestant | objective | crosshatch | specks | frame | noise |\n" + "|---" * 7 + "|", flush=True)
    rows = {name: [] for name in _CONTESTANTS.value}
    for pair in _PAIRS.value:
        for name, found in rows.items():
            (score,) = scores.evaluate(*sources(pair), [path_of(folder, pair, name)])
            found.append((score.losses["total"], score.crosshatch, score.specks, score.frame, score.noise))
            print(f"| {pair.replace('+', ', ')} | {name} | {_numbers(found[-1])} |", flush=True)
    print("\n| contestant | objective, ratio | crosshatch | specks | frame | noise |\n" + "|---" * 6 + "|")
    first = rows[_CONTESTANTS.value[0]]
    for name, found in rows.items():
        ratio = statistics.median(a[0] / b[0] for a, b in zip(found, first, strict=True))
        medians = [statistics.median(column) for column in list(zip(*found, strict=True))[1:]]
        print(f"| {name} | {_numbers((ratio, *medians))} |")


def _numbers(values):
    return " | ".join(f"{value:.3g}" for value in values)


def path_of(folder, pair, name):
    """Where the picture of a pair by a contestant lies."""
    stems = [pathlib.Path(source).stem for source in pair.split("+")]
    return folder / "pictures" / str(_SIZE.value) / name / f"{'-'.join(stems)}.png"


def sheet(pictures):
    """Content and style above, A and B below, each as wide as the widest."""
    width, height = max(p.width for p in pictures), max(p.height for p in pictures[2:])
    page = Image.new("RGB", (2 * width + 3 * _GAP_PX, 2 * height + 3 * _GAP_PX), "white")
    for index, picture in enumerate(pictures):
        picture.thumbnail((width, height))
        x, y = (_GAP_PX + i * (side + _GAP_PX) for i, side in ((index % 2, width), (index // 2, height)))
        page.paste(picture, (x, y))
    return page


def sources(pair):
    """Content and style of a pair, as nst_tf takes them."""
    return [source if pathlib.Path(source).suffix else f"sample:{source}" for source in pair.split("+")]


def _load(source):
    pixels = images.load(source, max_side_px=_SIZE.value).pixels[0]
    return Image.fromarray((pixels * 255 + 0.5).astype("uint8"))


if __name__ == "__main__":
    app.run(main)
