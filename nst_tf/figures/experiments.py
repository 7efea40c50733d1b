"""The papers' experiments, each as a grid of stylisations, which `rendering.render` runs. Imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from nst_tf import configs
from nst_tf.evaluation import noise

# The settings that every cell takes over from the figure.
_SHARED = (
    "style_layers", "max_side_px", "seed", "noise_stddev", "pooling", "weights", "optimizer", "steps", "coarse_steps",
    "precision",
)  # fmt: skip
# The settings that a figure sets itself, whatever the preset against noise says.
_OWN = (
    "content_weight", "style_weight", "content_layers", "style_layers", "style_layer_weights", "initialisation",
    "max_side_px", "steps", "optimizer",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One stylisation of a figure.

    Attributes:
        row: from 1.
        column: from 1.
        label: the name of the cell in messages and tables.
        caption: drawn below the cell; empty if the axes say enough.
        config: the settings to run.
    """

    row: int
    column: int
    label: str
    caption: str = ""
    config: configs.StyleTransferConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure to be rendered.

    Attributes:
        name: one of `configs.FIGURES`, or your own.
        title: drawn at the top.
        caption: how it was made, drawn at the bottom.
        row_title: what the rows are.
        column_title: what the columns are.
        row_labels: one for each row, or none.
        column_labels: one for each column, or none.
        cells: in the order in which they are run.
    """

    name: str
    title: str
    caption: str
    row_title: str = ""
    column_title: str = ""
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    cells: tuple[Cell, ...]


def describe(config: configs.FigureConfig) -> Figure:
    """The figure named by config.name.

    Raises:
        ConfigError: the figure does not take some of the settings.

    Example:
        >>> from nst_tf import configs, figures
        >>> figure = figures.describe(configs.FigureConfig(name="content-layer", steps=100))
        >>> [cell.label for cell in figure.cells]
        ['conv2_2', 'conv4_2']
    """
    return FIGURES[config.name](config)


def ratio(config: configs.FigureConfig) -> Figure:
    """Ratios of content to style across the columns, growing sets of style layers down the rows.

    Source: Gatys et al. 2015, fig. 3 (layout `grid`), and 2016, fig. 4 (layout `row`).
    """
    name = "ratio"
    ratios = config.chosen_ratios(name)
    subsets, labels = _growing(config.style_layers)
    source = "Gatys et al. 2015, fig. 3"
    if config.layout == "row":
        subsets, labels = [config.style_layers], [f"{config.style_layers[0]} to {config.style_layers[-1]}"]
        source = "Gatys et al. 2016, fig. 4"
    cells = [
        Cell(
            row=row,
            column=column,
            label=f"{label}, {ratio_label(value)}",
            config=_cell(config, name, value, style_layers=layers),
        )
        for row, (layers, label) in enumerate(zip(subsets, labels, strict=True), 1)
        for column, value in enumerate(ratios, 1)
    ]
    return Figure(
        name=name,
        title=f"Style layers and the ratio of content to style ({source})",
        caption=_caption(config, f"content from {', '.join(cells[0].config.content_layers)}"),
        row_title="style layers",
        column_title="alpha/beta",
        row_labels=tuple(labels),
        column_labels=tuple(map(ratio_label, ratios)),
        cells=tuple(cells),
    )


def content_layer(config: configs.FigureConfig) -> Figure:
    """Shallow against deep content layers. Source: Gatys et al. 2016, fig. 5."""
    name = "content-layer"
    (value,) = config.chosen_ratios(name)
    layers = config.chosen_content_layers(name)
    return Figure(
        name=name,
        title="The content layer (Gatys et al. 2016, fig. 5)",
        caption=_caption(config, f"alpha/beta {ratio_label(value)}"),
        column_title="content layer",
        column_labels=layers,
        cells=tuple(
            Cell(row=1, column=column, label=layer, config=_cell(config, name, value, content_layers=(layer,)))
            for column, layer in enumerate(layers, 1)
        ),
    )


def initialisation(config: configs.FigureConfig) -> Figure:
    """Starts: A the content picture, B the style picture, C four seeds of noise. Source: Gatys et al. 2016, fig. 6."""
    name = "initialisation"
    (value,) = config.chosen_ratios(name)
    starts: list[tuple[str, dict[str, Any]]] = [
        ("A: the content picture", {"initialisation": "content"}),
        ("B: the style picture", {"initialisation": "style"}),
    ]
    for seed in range(config.seed, config.seed + configs.FIGURE_NOISE_SEEDS):
        starts.append((f"C: white noise, seed {seed}", {"initialisation": "noise", "seed": seed}))
    return Figure(
        name=name,
        title="What the optimisation starts from (Gatys et al. 2016, fig. 6)",
        caption=_caption(config, f"alpha/beta {ratio_label(value)}", start=""),
        cells=tuple(
            Cell(
                row=1 + place // 3,
                column=1 + place % 3,
                label=label,
                caption=label,
                config=_cell(config, name, value, **start),
            )
            for place, (label, start) in enumerate(starts)
        ),
    )


def photorealism(config: configs.FigureConfig) -> Figure:
    """A photograph in the style of a photograph, where low-level noise shows, without and with our remedy.

    Source: Gatys et al. 2016, fig. 7 and section 4. The second row is not in the paper.
    """
    name = "photorealism"
    from_content, from_noise = config.chosen_ratios(name)
    columns = (
        (f"from the content picture, {ratio_label(from_content)}", from_content, "content"),
        (f"from white noise, {ratio_label(from_noise)}", from_noise, "noise"),
    )
    literal = dataclasses.replace(config, form="literal")
    preset = configs.PRESETS[configs.FIGURE_ANSWER].settings
    answer = {"preset": configs.FIGURE_ANSWER} | {key: value for key, value in preset.items() if key not in _OWN}
    rows: tuple[tuple[str, dict[str, Any]], ...] = (("as in the paper", {}), ("with our remedy for the noise", answer))
    return Figure(
        name=name,
        title="Photograph onto photograph, and its noise (Gatys et al. 2016, fig. 7)",
        caption=_caption(literal, start="", schedule="")
        + " First row: the full size only. Second row: "
        + ", ".join(f"{key} {value}" for key, value in answer.items())
        + ".",
        column_title="start, alpha/beta",
        row_labels=tuple(label for label, _ in rows),
        column_labels=tuple(label for label, _, _ in columns),
        cells=tuple(
            Cell(
                row=row,
                column=column,
                label=f"{row_label}, {column_label}",
                config=_cell(literal, name, value, initialisation=start, **settings),
            )
            for row, (row_label, settings) in enumerate(rows, 1)
            for column, (column_label, value, start) in enumerate(columns, 1)
        ),
    )


def reconstruction(config: configs.FigureConfig) -> Figure:
    """What the layers represent: content by one layer, style by growing sets. Source: Gatys et al. 2015, fig. 1."""
    name = "reconstruction"
    config.chosen_ratios(name)
    content_layers = config.chosen_content_layers(name)
    subsets, labels = _growing(config.style_layers)
    only_content: dict[str, Any] = {"style_weight": 0.0, "style_layers": ()}
    only_style: dict[str, Any] = {"content_weight": 0.0, "content_layers": ()}
    contents = [
        Cell(
            row=1,
            column=column,
            label=f"content of {layer}",
            caption=layer,
            config=_cell(config, name, 1.0, **(only_content | {"content_layers": (layer,)})),
        )
        for column, layer in enumerate(content_layers, 1)
    ]
    styles = [
        Cell(
            row=2,
            column=column,
            label=f"style of {label}",
            caption=label,
            config=_cell(config, name, 1.0, **(only_style | {"style_layers": layers})),
        )
        for column, (layers, label) in enumerate(zip(subsets, labels, strict=True), 1)
    ]
    return Figure(
        name=name,
        title="What the layers represent of content and of style (Gatys et al. 2015, fig. 1)",
        caption=_caption(config, "content: one layer alone; style: each column adds a layer", ratio=""),
        row_labels=("content", "style"),
        cells=(*contents, *styles),
    )


FIGURES = {
    "ratio": ratio,
    "content-layer": content_layer,
    "initialisation": initialisation,
    "photorealism": photorealism,
    "reconstruction": reconstruction,
}


def ratio_label(value: float) -> str:
    """A ratio as the papers write it: 1e-3, 2.5e-4."""
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _growing(layers: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """The sets of the first, the first two, ... layers, and their labels."""
    subsets = [tuple(layers[: count + 1]) for count in range(len(layers))]
    return subsets, [layer if not number else f"+ {layer}" for number, layer in enumerate(layers)]


def _cell(config: configs.FigureConfig, name: str, value: float, **settings: Any) -> configs.StyleTransferConfig:
    """The settings of one cell: white noise, mean-reduced losses on the normalised network, unless settings differ."""
    own: dict[str, Any] = {key: getattr(config, key) for key in _SHARED} | {
        "content_layers": config.chosen_content_layers(name),
        "content_weight": 1.0,
        "style_weight": 1 / value,
        "initialisation": "noise",
        "total_variation_weight": 0.0,
        **configs.WITHOUT_CLEANING,
        "reduction": "mean",
        "network": "normalised",
        "scales": 1 if config.form == "literal" else config.scales,
        "content_detail": 0.0,
    }
    return configs.StyleTransferConfig(**(own | settings))


def _caption(
    config: configs.FigureConfig,
    *facts: str,
    ratio: str = "alpha/beta is the ratio of mean-reduced losses on the VGG-19 with normalised filters",
    start: str = "the start is white noise",
    schedule: str | None = None,
) -> str:
    """Sentences that say how a figure was made."""
    if schedule is None:
        schedule = "the full size only, as in the papers"
        if config.form != "literal":
            schedule = (
                f"up to {config.scales} sizes, coarse to fine, {config.coarse_steps} evaluations at each but the last"
            )
    machine = f"{config.steps} evaluations of {config.optimizer}, {config.max_side_px} px, {config.pooling} pooling"
    measure = f"noise is the share of the luminance's spectral energy beyond {noise.CUTOFF:g} of Nyquist"
    sentences = [*facts, start, schedule, machine, ratio, measure]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences if sentence)
