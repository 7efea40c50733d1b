"""The settings of a style's training. Imports no TensorFlow."""

import dataclasses
import functools
from typing import Any

from nst_tf import errors, vgg
from nst_tf.configs import fields, multi_style, optimisation, presets

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The training of one style for the network of `--method=multi-style`.

    Only the style's scales and shifts are learned, from the known style that is nearest to the painting. Every field is
    also a flag of `nst-tf train`, whose `--help` shows the same texts.
    """

    stroke_sizes_px: tuple[float, ...] = fields.setting(
        (384.0,),
        flag="stroke_sizes",
        group="Style",
        low=64,
        high=4096,
        example="256,512",
        help="Long side in px at which the painting is read: smaller gives finer strokes, larger gives broader ones. "
        "Several with commas are all learned, one after the other, and kept in one file.",
    )
    steps: int = fields.setting(
        150,
        group="Training",
        low=1,
        example="600",
        help="Updates of the style, for each size of the strokes. 150 give a recognisable style; more, on more "
        "photographs, a better one.",
    )
    crop_px: int = fields.setting(
        192,
        group="Training",
        low=64,
        high=1024,
        example="256",
        help="Side of the squares of photographs that are trained on. Larger ones hold more of a whole picture, whose "
        "flat areas are the hardest, and take longer.",
    )
    flat_share: float = fields.setting(
        0.25,
        group="Training",
        low=0,
        high=1,
        example="0.5",
        help="Share of the squares whose upper part becomes an even sky, so that flat areas get no blots.",
    )
    learning_rate: float = fields.setting(
        0.02,
        group="Training",
        above=0,
        high=1,
        example="0.01",
        help="Adam's step at the start; it falls along a cosine to a twentieth.",
    )
    content_weight: float = fields.setting(
        0.25,
        group="Objective",
        low=0,
        example="0.5",
        help="Weight of the content term: more keeps houses and faces whole, less gives more paint.",
    )
    style_weight: float = fields.setting(
        1.0,
        group="Objective",
        above=0,
        example="2",
        help="Weight of the style term, in proportion to the painting's own Gram matrices, so that a soft painting "
        "counts as much as a bold one.",
    )
    total_variation_weight: float = fields.setting(
        0.01, group="Objective", low=0, example="0.1", help="Weight of the total variation, against low-level noise."
    )
    content_layers: tuple[str, ...] = _same("content_layers", default=("conv3_3",), example="conv2_2")
    style_layers: tuple[str, ...] = _same("style_layers", default=("conv1_1", "conv2_1", "conv3_1", "conv4_1"))
    seed: int = fields.setting(
        0,
        group="Training",
        low=0,
        high=2**31 - 1,
        example="7",
        help="Seed of the squares. One machine, one seed, one style.",
    )
    preview_interval: int = fields.setting(
        0,
        group="Reports",
        low=0,
        example="25",
        help="Steps between previews, written next to the output as .preview.png; 0 writes one at the end only.",
    )
    network_file: str = fields.like(multi_style.MultiStyleConfig, "network_file", group="Network")
    weights: str = _same("weights")
    precision: str = _same("precision", group="Network")

    def __post_init__(self) -> None:
        fields.check(self)
        sizes = self.stroke_sizes_px
        if not sizes or any(size != int(size) for size in sizes) or sorted(set(sizes)) != list(sizes):
            raise errors.ConfigError(
                "stroke_sizes_px (--stroke_sizes) must be whole numbers that ascend. "
                f"Received: {', '.join(f'{size:g}' for size in sizes) or 'none'}."
            )
        for name in ("content_layers", "style_layers"):
            object.__setattr__(self, name, tuple(vgg.layer_name(layer) for layer in getattr(self, name)))
        self.objective  # noqa: B018  # its own checks

    @property
    def objective(self) -> optimisation.StyleTransferConfig:
        """The objective that the style is learned by: the one of the optimisation, with these weights and layers."""
        return objective_of(self)


_OF_THE_OBJECTIVE = (
    "content_weight",
    "style_weight",
    "total_variation_weight",
    "content_layers",
    "style_layers",
    "weights",
    "precision",
)


def objective_of(config: Any) -> optimisation.StyleTransferConfig:
    """The objective of a training: the optimisation's, with the weights and layers of the training's settings."""
    settings = {name: getattr(config, name) for name in _OF_THE_OBJECTIVE}
    return optimisation.StyleTransferConfig(**presets.WITHOUT_CLEANING, **settings)
