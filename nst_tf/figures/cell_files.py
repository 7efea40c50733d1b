"""The files of a figure: its inputs, the place of each cell, which cells are finished, and the tables of numbers."""

import contextlib
import csv
import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nst_tf import errors, files, results, version
from nst_tf.evaluation import noise
from nst_tf.figures import experiments
from nst_tf.pictures import images, inputs

_LEVEL = 1 / 255
_CHANNELS = ("red", "green", "blue")


class Paths(NamedTuple):
    """Where the files of a figure go."""

    grid: pathlib.Path
    csv: pathlib.Path
    json: pathlib.Path
    folder: pathlib.Path  # of the cells

    def cell(self, cell: experiments.Cell) -> pathlib.Path:
        """The picture of a cell; its record is PATH.json."""
        return self.folder / f"row{cell.row}-column{cell.column}.png"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A figure whose pictures have been read and whose output is writable.

    Attributes:
        figure: what to render.
        pictures: one for each cell of the figure, at the sizes that the cell works at.
        paths: where the files go.
    """

    figure: experiments.Figure
    pictures: tuple[inputs.Inputs, ...]
    paths: Paths


def prepare(
    figure: experiments.Figure,
    content: inputs.Source,
    style: inputs.Source,
    output: str | os.PathLike[str],
) -> Job:
    """Reads the pictures and finds every mistake that can be found before any work.

    Args:
        figure: what to render.
        content: a path, `sample:NAME`, an `images.Picture`, or an array, as for `transfer.stylize`.
        style: the same.
        output: the grid's picture; its suffix names the format.

    Raises:
        ConfigError: the figure has no cells, or two cells at one place.
        ImageError: a picture cannot be read, or is too small for the layers.
        OutputError: one of the files cannot be written.
    """
    places = {(cell.row, cell.column) for cell in figure.cells}
    if not places or len(places) < len(figure.cells):
        raise errors.ConfigError(
            f"the figure {figure.name} must have at least one cell, and one cell for each place. Received: "
            f"{len(figure.cells)} cells at {len(places)} places."
        )
    read: dict[Any, inputs.Inputs] = {}
    pictures = []
    for cell in figure.cells:
        config = cell.config
        key = (config.max_side_px, config.style_max_side_px, config.layers, config.initialisation)
        if key not in read:
            read[key] = inputs.read(content, style, config)
        pictures.append(read[key])
    path = pathlib.Path(output)
    paths = Paths(path, path.with_suffix(".csv"), path.with_suffix(".json"), path.with_name(f"{path.stem}.cells"))
    cells = [paths.cell(cell) for cell in figure.cells]
    written: list[str | pathlib.Path] = [paths.grid, paths.csv, paths.json, *cells, *map(results.record_path, cells)]
    files.check_not_read(written, [source for source in (content, style) if isinstance(source, (str, os.PathLike))])
    images.check_writable(path)
    results.check_writable(cells[0])
    for other in (paths.csv, paths.json):
        files.check_writable(other)
    return Job(figure=figure, pictures=tuple(pictures), paths=paths)


def finished(
    cell: experiments.Cell,
    pictures: inputs.Inputs,
    paths: Paths,
    *,
    extractor_given: bool,
    weights_sha256: str | None = None,
) -> dict[str, Any] | None:
    """The record of a cell if it need not be run again, otherwise None.

    Args:
        cell: which one.
        pictures: of the cell.
        paths: of the figure.
        extractor_given: whether the caller provides the network, so that no weights are recorded.
        weights_sha256: the hash of the weights if they come from a file, which may have changed.
    """
    path = paths.cell(cell)
    try:
        record = json.loads(pathlib.Path(f"{path}.json").read_text())
        images.load(path)
        now = json.loads(json.dumps({"config": dataclasses.asdict(cell.config), "inputs": pictures.identities}))
        is_same = (
            record["config"] == now["config"]
            and _hashes(record["inputs"]) == _hashes(now["inputs"])
            and record["versions"]["nst_tf"] == version.__version__
            and not record["stopped_early"]
            and bool(record["network"]) != extractor_given
            and weights_sha256 in (None, record["network"].get("sha256"))
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # ImageError is a ValueError
        return None
    return record if is_same else None


def forget(cell: experiments.Cell, paths: Paths) -> None:
    """Removes a cell's record, so that it never describes a picture that another run wrote."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(f"{paths.cell(cell)}.json")


def measured(cell: experiments.Cell, record: dict[str, Any], paths: Paths) -> dict[str, Any]:
    """The numbers of a finished cell, from its record and its file.

    Returns:
        row, column, label, file; total and each term of the objective (weighted), each layer's unweighted loss,
        all of the picture that was kept; mean and standard deviation of each channel; saturated: the share of pixel
        values below 1/255 or above 254/255; noise: see `noise.high_frequency_share`; seconds, seconds_per_step, steps.
    """
    path = paths.cell(cell)
    pixels = images.load(path).pixels
    last_stage = slice(-record["stages"][-1]["steps"], None)
    best = int(np.nanargmin(np.abs(np.array(record["losses"]["total"][last_stage]) - record["best_loss"])))
    row: dict[str, Any] = {"row": cell.row, "column": cell.column, "label": cell.label}
    row["file"] = f"{paths.folder.name}/{path.name}"
    row |= {name: values[last_stage][best] for name, values in record["losses"].items()}
    for channel, name in enumerate(_CHANNELS):
        row[f"mean_{name}"] = _rounded(pixels[..., channel].mean())
        row[f"stddev_{name}"] = _rounded(pixels[..., channel].std())
    row["saturated"] = _rounded(np.mean((pixels < _LEVEL) | (pixels > 1 - _LEVEL)))
    row["noise"] = _rounded(noise.high_frequency_share(pixels))
    row |= {name: _rounded(record[name]) for name in ("seconds", "seconds_per_step")}
    return row | {"steps": record["steps"]}


def write_tables(job: Job, rows: Sequence[dict[str, Any]]) -> None:
    """Writes the rows of `measured` as CSV, and as JSON with the figure's texts and the settings of every cell."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    layers = [name for name in columns if "/" in name]  # not every cell has all of them
    columns = [name for name in columns if name not in layers]
    place = columns.index("gradient_norm")  # after the terms, which they are parts of
    columns = [*columns[:place], *sorted(layers), *columns[place:]]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_atomically(job.paths.csv, text.getvalue().encode(errors="backslashreplace"))
    record = dataclasses.asdict(job.figure)
    record["inputs"] = job.pictures[0].identities
    for cell, row in zip(record["cells"], rows, strict=True):
        cell["measured"] = {name: value for name, value in row.items() if name not in ("row", "column", "label")}
    files.write_atomically(job.paths.json, json.dumps(record, indent=1).encode())


def _hashes(identities: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(identity[name] for name in ("sha256", "width_px", "height_px")) for identity in identities]


def _rounded(value: Any) -> float:
    return float(f"{float(value):.5g}")
