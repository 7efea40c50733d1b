"""The map of the field on one objective: slow by statistics or patches, fast for many styles, for one and for any.

    python -m benchmarks.methods --output_dir=outputs/methods

Each row is a command of `nst-tf stylize` in a process of its own: its seconds from start to written file, the CPU
seconds of all its threads, which other work on the machine disturbs less, and its peak memory. All results are judged
by the objective of the preset default; the pictures are drawn in one strip. The style must be one that was learned.
With --one_style=FILE a network of `nst-tf train --architecture=one-style` takes part. With --steps=10,40 there are rows
of so many evaluations at the full size, from the content and from AdaIN's picture.
"""

import os
import pathlib
import subprocess
import sys
import time
from typing import NamedTuple

from absl import app, flags

from nst_tf import configs, evaluation
from nst_tf.figures import grids
from nst_tf.pictures import images

_CONTENT = flags.DEFINE_string("content", "sample:temple", "content picture")
_STYLE = flags.DEFINE_string("style", "sample:great-wave", "style picture")
_LEARNED = flags.DEFINE_string("learned", "style:great-wave", "the same style, learned for --method=multi-style")
_ONE_STYLE = flags.DEFINE_string("one_style", "", "the same style, as a network for one style; none when left out")
_SIZE = flags.DEFINE_integer("size", 512, "long side, px")
_STEPS = flags.DEFINE_list("steps", [], "evaluations of further rows")
_LPIPS = flags.DEFINE_string("lpips", "alexnet", "network of LPIPS, or none")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "outputs/methods", "where the pictures go")

COLUMNS = 3  # of the strip


class Row(NamedTuple):
    """A result, and what it took."""

    path: pathlib.Path
    wall_s: float
    cpu_s: float
    peak_mb: float


def main(_):
    rows = {name: stylized(name, flags) for name, flags in ways().items()}
    judge = configs.EvaluationConfig(lpips=_LPIPS.value)
    scores = evaluation.evaluate(_CONTENT.value, _STYLE.value, [str(row.path) for row in rows.values()], judge)
    print(f"\n{_CONTENT.value} in the style of {_STYLE.value}, {scores[0].width_px} x {scores[0].height_px} px\n")
    print("| method | s | CPU s | MB | content | style | total | crosshatch | specks | frame | noise | LPIPS |")
    print("|" + "---|" * 12)
    cells = []
    for number, ((name, row), score) in enumerate(zip(rows.items(), scores, strict=True)):
        losses = " | ".join(f"{score.losses[term]:.3f}" for term in ("content", "style", "total"))
        faults = f"{score.crosshatch:.2f} | {score.specks:.2f} | {score.frame:.2f} | {score.noise:.4f}"
        lpips = "" if score.lpips is None else f"{score.lpips:.3f}"
        print(f"| {name} | {row.wall_s:.0f} | {row.cpu_s:.0f} | {row.peak_mb:.0f} | {losses} | {faults} | {lpips} |")
        place = {"row": 1 + number // COLUMNS, "column": 1 + number % COLUMNS}
        cells.append(
            grids.GridCell(**place, pixels=images.load(row.path).pixels, caption=name, note=f"{row.cpu_s:.0f} CPU s")
        )
    strip = grids.draw(cells, title=f"{_CONTENT.value} in the style of {_STYLE.value}: every method")
    images.save(pathlib.Path(_OUTPUT_DIR.value) / "strip.jpg", strip)


def ways():
    """Name -> the flags of `nst-tf stylize` beyond content, size and output."""
    style = f"--style={_STYLE.value}"
    found = {
        "gatys": [style],
        "mrf": [style, "--style_term=mrf"],
        "multi-style": [f"--style={_LEARNED.value}"],
        "adain": [style, "--method=adain"],
        "adain, then 30 steps": [style, "--initialisation=adain", "--scales=1", "--steps=30"],
    }
    if _ONE_STYLE.value:
        found["one-style"] = [f"--style={_ONE_STYLE.value}"]
    for steps in _STEPS.value:
        found[f"gatys, {steps} steps"] = [style, "--scales=1", f"--steps={steps}"]
        found[f"adain, then {steps} steps"] = [style, "--scales=1", f"--steps={steps}", "--initialisation=adain"]
    return found


def stylized(name, settings):
    """Runs one command, and waits for it alone, so that what it used is its own."""
    path = pathlib.Path(_OUTPUT_DIR.value).absolute() / f"{name.replace(',', '').replace(' ', '-')}.png"
    command = [sys.executable, "-m", "cli.stylize", f"--content={_CONTENT.value}", f"--output={path}"]
    began = time.perf_counter()
    process = subprocess.Popen([*command, f"--size={_SIZE.value}", *settings])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{name}: nst-tf stylize ended with status {status}")
    return Row(path, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    app.run(main)
