"""`nst-tf samples`: the pictures that come with the package, as a list or on one page."""

import sys

import numpy as np

from nst_tf import configs
from nst_tf.figures import grids
from nst_tf.pictures import images, samples

from . import config_flags, program, streams

config_flags.define(configs.SamplesCommand)

_COLUMNS = 5
_SIDE_PX = 240  # of a picture on the sheet

_INTRO = """nst-tf samples: the pictures that come with nst_tf

  nst-tf samples
  nst-tf samples --sheet=samples.png

sample:NAME can be given wherever a program takes a path, such as --content=sample:temple."""


def run(argv: list[str]) -> int:
    """Runs the program with its arguments and returns the exit code."""
    return program.run(main, argv, help_text)


def main() -> int:
    """Lists the samples, or draws them where --sheet asks for it."""
    path = config_flags.config_from_flags(configs.SamplesCommand).sheet
    if not path:
        streams.show(as_text())
        return 0
    images.check_writable(path)
    images.save(path, sheet())
    program.say(f"wrote {path}: {len(samples.NAMES)} pictures")
    return 0


def as_text() -> str:
    """One line for each sample, with the notes beneath that the statuses refer to."""
    width = max(map(len, samples.NAMES))
    lines = []
    for kind in ("photograph", "painting"):
        lines.append(f"{kind}s")
        lines += [
            f"  {samples.PREFIX}{sample.name:{width}}  {_described(sample)}"
            for sample in samples.list_samples()
            if sample.kind == kind
        ]
    credited = [sample for sample in samples.list_samples() if sample.must_be_credited]
    aliases = "; ".join(f"{samples.PREFIX}{alias} is {samples.PREFIX}{name}" for alias, name in samples.ALIASES.items())
    lines += [
        "",
        f"Other names: {aliases}.",
        "CC BY: name the author and the licence wherever you show the picture, or a result made from it: "
        + "; ".join(sample.credit for sample in credited)
        + ". https://creativecommons.org/licenses/by/2.0/",
        samples.REPRODUCTION_NOTE,
    ]
    return "\n".join(lines)


def sheet() -> np.ndarray:
    """Every sample on one page, float32 [1, H, W, 3]."""
    cells = []
    for index, sample in enumerate(samples.list_samples()):
        cells.append(
            grids.GridCell(
                row=1 + index // _COLUMNS,
                column=1 + index % _COLUMNS,
                pixels=images.load(samples.path(sample.name), max_side_px=_SIDE_PX).pixels,
                caption=sample.name,
                note=_described(sample),
            )
        )
    return grids.draw(cells, title="The samples of nst_tf", caption=samples.REPRODUCTION_NOTE)


def help_text() -> str:
    """The text of --help."""
    return program.render_help(_INTRO, config_flags.help_rows(configs.SamplesCommand))


def _described(sample: samples.Sample) -> str:
    parts = (sample.title, sample.author, sample.year, sample.status)
    return f"{', '.join(part for part in parts if part)} ({sample.source})"


if __name__ == "__main__":
    sys.exit(run(["nst-tf samples", *sys.argv[1:]]))
