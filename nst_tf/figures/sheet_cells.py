"""The pictures of a contact sheet: which there are, their settings and files, read and checked before any work."""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from nst_tf import configs, errors, files, results, version
from nst_tf.pictures import images, inputs
from nst_tf.weights import known_styles, style_files

_CONFIGS: dict[str, type[Any]] = {
    "gatys": configs.StyleTransferConfig,
    "adain": configs.AdainConfig,
    "multi-style": configs.MultiStyleConfig,
}
_COLUMNS = 4  # of a sheet with one picture for each style


class Cell(NamedTuple):
    """One picture of a sheet."""

    row: int  # from 1
    column: int  # from 1
    method: str
    styles: tuple[str, ...]
    config: Any  # of its method
    caption: str
    path: pathlib.Path  # of its file, whose name has a hash of everything that it depends on

    @property
    def is_finished(self) -> bool:
        """Whether it was drawn before."""
        return self.path.exists()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A sheet whose pictures have been read and whose files can be written."""

    content: images.Picture
    cells: tuple[Cell, ...]
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    column_title: str
    path: pathlib.Path


def plan(
    content: str | os.PathLike[str], styles: Sequence[str], output: str | os.PathLike[str], config: configs.SheetConfig
) -> Sheet:
    """Finds the pictures of a sheet, and every mistake that can be found before any work.

    Args:
        content: a path or `sample:NAME`.
        styles: paths or `sample:NAME` of pictures, learned styles, or `all` for every learned style of the package.
        output: the sheet's picture; the pictures on it go to STEM.cells beside it.
        config: what it shows.

    Raises:
        ImageError: a picture cannot be read, or is too small for a method.
        StyleError: there is no such learned style.
        ConfigError: a method has no style that it can draw, or there is no second style to blend with.
        OutputError: a file cannot be written.
    """
    styles = _named(styles)
    rows = _rows(styles, config)
    hashes = {style: _hash(style) for style in styles}
    picture = inputs.read_picture(content, "content", config.max_side_px)
    path = pathlib.Path(output)
    folder = path.with_name(f"{path.stem}.cells")
    columns: list[tuple[dict[str, Any], str]]
    if config.blends:
        parts = [step / (config.blends - 1) for step in range(config.blends)]
        columns = [({"style_blend": (1 - part, part)}, f"{1 - part:.0%} : {part:.0%}") for part in parts]
    else:
        columns = [({"strength": strength}, f"{strength:g}") for strength in config.strengths]
    cells = []
    for row, (method, names) in enumerate(rows, 1):
        for column, (settings, _) in enumerate(columns, 1):
            cell_config = _config(method, config, settings)
            about = [version.__version__, method, dataclasses.asdict(cell_config), picture.sha256]
            about += [hashes[name] for name in names]
            digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]
            cells.append(Cell(row, column, method, names, cell_config, "", folder / f"{method}-{digest}.png"))
    for method, names in rows:
        _check_pictures(method, content, names, _config(method, config, {}))
    read = [source for source in (content, *styles) if not str(source).startswith(known_styles.PREFIX)]
    files.check_not_read([path, *(cell.path for cell in cells)], read)
    images.check_writable(path)
    results.check_writable(cells[0].path)
    labels = tuple(_label(method, names) for method, names in rows)
    if len(columns) == 1:  # one picture for each style: rows and columns say nothing
        wrapped = [
            cell._replace(row=1 + index // _COLUMNS, column=1 + index % _COLUMNS, caption=label)
            for index, (cell, label) in enumerate(zip(cells, labels, strict=True))
        ]
        return Sheet(content=picture, cells=tuple(wrapped), row_labels=(), column_labels=(), column_title="", path=path)
    return Sheet(
        content=picture,
        cells=tuple(cells),
        row_labels=labels,
        column_labels=tuple(label for _, label in columns),
        column_title="shares of the two styles" if config.blends else "strength",
        path=path,
    )


def _named(styles: Sequence[str]) -> tuple[str, ...]:
    """The styles with `all` written out, each once."""
    shipped = [f"{known_styles.PREFIX}{name}" for name in style_files.shipped_names()]
    return tuple(
        dict.fromkeys(name for style in styles for name in (shipped if style == configs.ALL_STYLES else [str(style)]))
    )


def _rows(styles: Sequence[str], config: configs.SheetConfig) -> list[tuple[str, tuple[str, ...]]]:
    """The method and the styles of each row."""
    rows: list[tuple[str, tuple[str, ...]]] = []
    methods = config.methods or ("adain", "multi-style")
    drawn = {
        method: [s for s in styles if known_styles.is_learned(s) == (method == "multi-style")] for method in methods
    }
    for method, fitting in drawn.items():
        if config.methods and not fitting:
            kind = "a learned style, such as style:starry-night" if method == "multi-style" else "a picture"
            raise errors.ConfigError(
                f"--methods={method} needs {kind} among the styles. Received: {', '.join(styles)}. Add one, or leave "
                "the method out."
            )
        if config.blends and len(fitting) == 1:
            raise errors.ConfigError(
                f"blends need two styles for {method}. Received: {fitting[0]}. Give another style of its kind."
            )
        if config.blends:
            rows += [(method, pair) for pair in itertools.pairwise(fitting)]
        else:
            rows += [(method, (style,)) for style in fitting]
    return sorted(rows, key=lambda row: styles.index(row[1][0]))


def _config(method: str, config: configs.SheetConfig, settings: dict[str, Any]) -> Any:
    """The settings of a cell's method."""
    shared = {name: getattr(config, name) for name in ("max_side_px", "colours", "colour_map")}
    work = {"quality": config.quality} if method == "gatys" else {}
    return _CONFIGS[method](**shared, **work, **settings)


def _check_pictures(method: str, content: Any, styles: tuple[str, ...], config: Any) -> None:
    if method == "gatys":
        inputs.read(content, styles, config)
    elif method == "adain":
        inputs.read_one_pass(content, styles, config)
    else:
        known_styles.read(styles, config)


def _hash(style: str) -> str:
    """Of a style's file; the name of one that comes with the network, which the version settles."""
    return style if style.startswith(known_styles.PREFIX) else hashlib.sha256(images.read(style)).hexdigest()


def _label(method: str, styles: Sequence[str]) -> str:
    names = [pathlib.PurePath(style).stem.removeprefix("sample:").removeprefix(known_styles.PREFIX) for style in styles]
    return f"{' to '.join(names)}, {method}"
