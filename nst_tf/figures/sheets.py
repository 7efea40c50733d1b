"""Contact sheets: one content in several styles, strengths and methods, so that people choose by looking."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from nst_tf import configs, messages
from nst_tf.figures import grids, sheet_cells
from nst_tf.losses import on_vgg19
from nst_tf.networks import multi_style_transfer, one_pass
from nst_tf.optimisation import transfer
from nst_tf.pictures import images, inputs
from nst_tf.weights import known_styles


class SheetResult(NamedTuple):
    """What drawing a sheet came to."""

    path: pathlib.Path
    computed: int  # pictures drawn now
    kept: int  # pictures that an earlier call had finished


def draw_sheet(
    content: str | os.PathLike[str],
    styles: Sequence[str],
    output: str | os.PathLike[str],
    config: configs.SheetConfig | None = None,
    *,
    on_message: messages.OnMessage = messages.log,
) -> SheetResult:
    """Draws a labelled contact sheet, such as `draw_sheet("photo.jpg", ["a.jpg", "b.jpg"], "sheet.png")`.

    The pictures on it go to STEM.cells beside OUTPUT, each with its record. One that is there already, of the same
    settings and pictures, is not drawn again, so that a call that was interrupted continues.

    Args:
        content: a path or `sample:NAME`.
        styles: paths or `sample:NAME` of pictures, learned styles, or `all` for every learned style of the package.
        output: the sheet's picture; its suffix names the format.
        config: what it shows; the defaults when left out.
        on_message: receives lines for the user.

    Raises:
        NstError: a picture, style, setting or file is unusable; the message says how to fix it. Finished pictures stay.
    """
    config = configs.as_config(config, configs.SheetConfig)
    return draw_planned(sheet_cells.plan(content, styles, output, config), on_message=on_message)


def draw_planned(sheet: sheet_cells.Sheet, *, on_message: messages.OnMessage = messages.log) -> SheetResult:
    """Draws a sheet that `sheet_cells.plan` made."""
    networks = on_vgg19.SharedNetworks(configs.StyleTransferConfig().layers)
    kept = 0
    engines: dict[str, Any] = {}  # the last one of each method: the networks behind them are shared
    for number, cell in enumerate(sheet.cells, 1):
        label = f"picture {number}/{len(sheet.cells)} {', '.join(cell.styles)} by {cell.method}"
        if cell.is_finished:
            on_message(f"{label}: already finished, kept")
            kept += 1
            continue
        on_message(label)
        engine = engines[cell.method] = _engine(cell, engines.get(cell.method), networks)
        result = engine(sheet.content, cell.styles, on_message=on_message)
        result.save(cell.path)
    _save(sheet)
    return SheetResult(sheet.path, len(sheet.cells) - kept, kept)


def _engine(cell: sheet_cells.Cell, last: Any, networks: on_vgg19.SharedNetworks) -> Any:
    """An engine for a cell: the one before it where that can take its settings, so that nothing is loaded twice."""
    if last is not None and last.can_take(cell.config):
        last.reconfigure(cell.config)
        return last
    if cell.method == "gatys":
        return transfer.StyleTransfer(cell.config, networks=networks)
    kind: Any = {"adain": one_pass.AdainTransfer, "multi-style": multi_style_transfer.MultiStyleTransfer}[cell.method]
    return kind(cell.config)


def _save(sheet: sheet_cells.Sheet) -> None:
    styles = dict.fromkeys(style for cell in sheet.cells for style in cell.styles)
    shown = [("content", sheet.content)]
    shown += [
        ("style", inputs.read_picture(style, "style", None)) for style in styles if not known_styles.is_learned(style)
    ]
    cells = [
        grids.GridCell(row=cell.row, column=cell.column, pixels=_drawn(cell), caption=cell.caption)
        for cell in sheet.cells
    ]
    page = grids.draw(
        cells,
        title=pathlib.PurePath(sheet.content.name).stem.removeprefix("sample:"),
        sources=[(f"{kind}: {pathlib.PurePath(p.name).stem.removeprefix('sample:')}", p.pixels) for kind, p in shown],
        column_title=sheet.column_title,
        row_labels=sheet.row_labels,
        column_labels=sheet.column_labels,
    )
    images.save(sheet.path, page)


def _drawn(cell: sheet_cells.Cell) -> Any:
    return images.load(cell.path).pixels
