"""The settings of a figure: the papers' experiments, their layers, ratios and starts. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import errors, vgg
from nst_tf.configs import fields, optimisation

FIGURES = ("ratio", "content-layer", "initialisation", "photorealism", "reconstruction")
FORMS = ("literal", "coarse-to-fine")
LAYOUTS = ("grid", "row")
DEFAULT_CONTENT = "sample:launch-pad"
DEFAULT_STYLE = "sample:van-gogh"
DEFAULT_PHOTOGRAPH = "sample:shuttle-landing"  # the style of `photorealism`, a photograph after a photograph
FIGURE_NOISE_SEEDS = 4  # white-noise starts of `initialisation`; Gatys et al. 2016, fig. 6 C

FIGURE_ANSWER = "photo"  # the preset whose settings remove low-level noise

# alpha/beta of each figure. Gatys et al. 2015, fig. 3, and 2016, fig. 4 to 6; the last two are taken from the texts.
_RATIO_COLUMNS = {"grid": (1e-5, 1e-4, 1e-3, 1e-2), "row": (1e-4, 1e-3, 1e-2, 1e-1)}
RATIOS: dict[str, tuple[float, ...]] = {
    "content-layer": (1e-3,),
    "initialisation": (1e-3,),
    "photorealism": (1e-2, 1e-3),  # from the content picture, from white noise
    "reconstruction": (),
}
CONTENT_LAYERS: dict[str, tuple[str, ...]] = {
    "content-layer": ("conv2_2", "conv4_2"),  # Gatys et al. 2016, fig. 5
    "reconstruction": ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),  # Gatys et al. 2015, fig. 1
}

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FigureConfig:
    """One figure of the papers, as this project repeats it.

    Ratios alpha/beta refer to mean-reduced losses on the normalised network: the content weight is 1, the style
    weight 1/ratio. Every field is also a flag of `nst-tf figure`, whose `--help` shows the same texts.
    """

    name: str = fields.setting(
        "ratio", group="Figure", choices=FIGURES, example="content-layer", help="Which figure; see the list below."
    )
    form: str = fields.setting(
        "literal",
        group="Figure",
        choices=FORMS,
        example="coarse-to-fine",
        help="literal: every cell at the full size only, as in the papers. coarse-to-fine: through --scales sizes, "
        "which removes most of the noise of a white-noise start. photorealism shows both.",
    )
    layout: str = fields.setting(
        "grid",
        group="Figure",
        choices=LAYOUTS,
        example="row",
        help="For the figure ratio. grid: growing sets of style layers down the rows, as in Gatys et al. 2015, fig. 3. "
        "row: all style layers at once, as in 2016, fig. 4.",
    )
    ratios: tuple[float, ...] | None = fields.setting(
        None,
        group="Figure",
        above=0,
        example="1e-4,1e-3,1e-2",
        help="alpha/beta, with both losses mean-reduced on the normalised network: the columns of ratio, one for "
        "content-layer and initialisation, two for photorealism (content start, white noise). Default: the papers'.",
    )
    content_layers: tuple[str, ...] | None = fields.setting(
        None,
        group="Figure",
        example="conv3_2,conv4_2",
        help="Layers that represent the content: the columns of content-layer and of reconstruction's first row; "
        "the other figures use them together. Default: the papers'.",
    )
    style_layers: tuple[str, ...] = _same(
        "style_layers",
        group="Figure",
        help="Layers that represent the style, in the order in which the rows of ratio and the columns of "
        "reconstruction's second row add them; each has the weight 1 / number of layers in use.",
    )
    max_side_px: int = _same(
        "max_side_px",
        default=256,
        example="512",
        group="Pictures",
        help="Long side of a cell in pixels. A smaller content picture is never enlarged.",
    )
    seed: int = _same(
        "seed",
        group="Pictures",
        high=2**31 - FIGURE_NOISE_SEEDS,
        help="Seed of the white noise; initialisation takes this one and the three after it.",
    )
    noise_stddev: float = _same("noise_stddev", group="Pictures")
    pooling: str = _same("pooling")
    weights: str = _same("weights")
    optimizer: str = _same("optimizer")
    steps: int = _same(
        "steps",
        default=300,
        example="500",
        help="Evaluations of the objective and its gradient at the full size, for each cell.",
    )
    scales: int = _same(
        "scales",
        low=2,
        example="2",
        help="Sizes of a cell from coarse to fine, each half the next. Sizes with a side below 64 px are left out.",
    )
    coarse_steps: int = _same("coarse_steps", default=100, help="Evaluations at each size before the last.")
    precision: str = _same("precision")

    def __post_init__(self) -> None:
        fields.check(self)
        for name in ("ratios", "content_layers", "style_layers"):
            values = getattr(self, name)
            if values == ():
                raise errors.ConfigError(
                    f"{name} must have at least one value. Received: none. Leave it out for the papers' values."
                )
            if values and name != "ratios":
                values = tuple(vgg.layer_name(layer) for layer in values)
                object.__setattr__(self, name, values)
            if values and len(set(values)) != len(values):
                raise errors.ConfigError(f"{name} must name each value once. Received: {', '.join(map(str, values))}.")

    def chosen_ratios(self, name: str) -> tuple[float, ...]:
        """The ratios of a figure: those that were set, otherwise the papers'.

        Raises:
            ConfigError: the figure takes a different number of ratios.
        """
        default = _RATIO_COLUMNS[self.layout] if name == "ratio" else RATIOS[name]
        if self.ratios is None:
            return default
        if name != "ratio" and len(self.ratios) != len(default):
            raise errors.ConfigError(
                f"the figure {name} takes {len(default) or 'no'} ratios. Received: {len(self.ratios)}. "
                "Leave them out for the paper's."
            )
        return self.ratios

    def chosen_content_layers(self, name: str) -> tuple[str, ...]:
        """The content layers of a figure: those that were set, otherwise the papers'."""
        return self.content_layers or CONTENT_LAYERS.get(name) or optimisation.StyleTransferConfig().content_layers


def default_style(name: str) -> str:
    """The style picture of a figure unless one is given."""
    return DEFAULT_PHOTOGRAPH if name == "photorealism" else DEFAULT_STYLE
