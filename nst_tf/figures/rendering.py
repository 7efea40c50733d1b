"""render(): runs the cells of a figure and writes the grid, the cells and the tables."""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from nst_tf import messages, results
from nst_tf.figures import cell_files, experiments, grids
from nst_tf.losses import on_vgg19
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs
from nst_tf.weights import vgg19


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellReport:
    """Progress of a figure, as `on_report` receives it.

    Attributes:
        cell: the cell that runs.
        number: number of the cell, from 1.
        count: number of cells.
        report: progress within the cell.
    """

    cell: experiments.Cell
    number: int
    count: int
    report: results.Report

    @property
    def label(self) -> str:
        """The cell's number and name, such as `cell 3/20 conv3_1, 1e-3`."""
        return _label(self.cell, self.number, self.count)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FigureResult:
    """The result of rendering a figure.

    Attributes:
        figure: its description.
        paths: its files.
        rows: the numbers of each finished cell; see `cell_files.measured`.
        computed: the number of cells that were run now.
        kept: the number of cells that were already finished.
        stopped_early: whether a callback stopped it; the grid and the tables were not written then.
    """

    figure: experiments.Figure
    paths: cell_files.Paths
    rows: tuple[dict[str, Any], ...]
    computed: int
    kept: int
    stopped_early: bool


def render(
    figure: experiments.Figure,
    content: inputs.Source,
    style: inputs.Source,
    output: str | os.PathLike[str],
    *,
    extractor: Any = None,
    on_report: Callable[[CellReport], None] | None = None,
    on_message: messages.OnMessage = messages.log,
) -> FigureResult:
    """Renders a figure, such as `render(ratio(FigureConfig()), "photo.jpg", "painting.jpg", "grid.png")`.

    Next to OUTPUT, the labelled grid, it writes STEM.cells/rowR-columnC.png, each with a .json record, STEM.csv and
    STEM.json. A cell whose file and record already exist, for the same settings and pictures, is not run again.

    Args:
        figure: such as `ratio(FigureConfig())`.
        content: a path, `sample:NAME`, an `images.Picture`, or an array, as for `transfer.stylize`.
        style: the same.
        output: the grid's picture; its suffix names the format.
        extractor: a feature extractor to use instead of VGG-19, with every layer of the figure.
        on_report: called as in `transfer.stylize`, with a `CellReport`. It may raise `StopStylizing`: the running
            cell is dropped, finished cells stay.
        on_message: receives lines for the user.

    Raises:
        NstError: a picture, setting, output or network is unusable; the message says how to fix it. Finished cells
            stay.
    """
    job = cell_files.prepare(figure, content, style, output)
    layers = [layer for cell in figure.cells for layer in cell.config.layers]
    networks = on_vgg19.SharedNetworks(layers)
    engines: dict[Any, transfer.StyleTransfer] = {}  # by what is traced: cells that differ otherwise share it
    rows: list[dict[str, Any]] = []
    kept, stopped = 0, False
    for number, (cell, pictures) in enumerate(zip(figure.cells, job.pictures, strict=True), 1):
        label = _label(cell, number, len(figure.cells))
        sha256 = None
        if extractor is None and cell.config.weights not in vgg19.SOURCES:
            sha256 = networks.loaded(cell.config, on_message).sha256
        record = cell_files.finished(
            cell, pictures, job.paths, extractor_given=extractor is not None, weights_sha256=sha256
        )
        if record is not None:
            on_message(f"{label}: already finished, kept")
            kept += 1
        else:
            on_message(label)
            engine = engines.setdefault(
                transfer.traced(cell.config, adjustable=True),
                transfer.StyleTransfer(cell.config, extractor=extractor, networks=networks, adjustable=True),
            )
            engine.reconfigure(cell.config)
            reporter = _reporter(on_report, cell, number, len(figure.cells))
            result = engine(pictures.content, pictures.styles, on_report=reporter, on_message=on_message)
            if result.stopped_early:
                stopped = True
                break
            cell_files.forget(cell, job.paths)
            result.save(job.paths.cell(cell))
            record = result.as_dict()
        rows.append(cell_files.measured(cell, record, job.paths))
    if not stopped:
        cell_files.write_tables(job, rows)
        _save_grid(job, rows)
    return FigureResult(
        figure=figure,
        paths=job.paths,
        rows=tuple(rows),
        computed=len(rows) - kept,
        kept=kept,
        stopped_early=stopped,
    )


def _save_grid(job: cell_files.Job, rows: Sequence[dict[str, Any]]) -> None:
    figure, pictures = job.figure, job.pictures[0]
    names = ["content", *["style"] * len(pictures.styles)]
    sources = [
        (f"{name}: {pathlib.Path(picture.name).stem.removeprefix('sample:')}", picture.pixels)
        for name, picture in zip(names, (pictures.content, *pictures.styles), strict=True)
    ]
    cells = [
        grids.GridCell(
            row=cell.row,
            column=cell.column,
            pixels=images.load(job.paths.cell(cell)).pixels,
            caption=cell.caption,
            note=f"noise {row['noise']:.3f}",
        )
        for cell, row in zip(figure.cells, rows, strict=True)
    ]
    pixels = grids.draw(
        cells,
        title=figure.title,
        caption=figure.caption,
        sources=sources,
        row_title=figure.row_title,
        column_title=figure.column_title,
        row_labels=figure.row_labels,
        column_labels=figure.column_labels,
    )
    images.save(job.paths.grid, pixels)


def _reporter(
    on_report: Callable[[CellReport], None] | None, cell: experiments.Cell, number: int, count: int
) -> results.OnReport | None:
    """The callback of one cell's run."""
    if on_report is None:
        return None
    return lambda report: on_report(CellReport(cell=cell, number=number, count=count, report=report))


def _label(cell: experiments.Cell, number: int, count: int) -> str:
    return f"cell {number}/{count} {cell.label}"
