"""The settings of networks that have one style: of their use and of their training. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import vgg
from nst_tf.configs import fields, multi_style, optimisation, training

_same = functools.partial(fields.like, training.TrainingConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneStyleConfig:
    """One stylisation by a network that has one style (Johnson, Alahi & Fei-Fei 2016).

    Every field is also a flag of `nst-tf stylize --method=one-style`, whose `--help` shows the same texts.
    """

    max_side_px: int = fields.like(multi_style.MultiStyleConfig, "max_side_px")
    strength: float = fields.like(multi_style.MultiStyleConfig, "strength")
    colours: str = fields.like(multi_style.MultiStyleConfig, "colours")
    colour_map: str = fields.like(multi_style.MultiStyleConfig, "colour_map")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneStyleTrainingConfig:
    """The training of a network for one style, from nothing.

    Every field is also a flag of `nst-tf train --architecture=one-style`, whose `--help` shows the same texts.
    """

    stroke_size_px: int = fields.setting(
        384,
        flag="stroke_size",
        group="Style",
        low=64,
        high=4096,
        example="512",
        help="Long side in px at which the painting is read: smaller gives finer strokes, larger gives broader ones.",
    )
    steps: int = _same(
        "steps",
        default=20000,
        example="40000",
        help="Updates of the network. 2000 show colours and first strokes; Johnson et al. took 40000 of 4 squares.",
    )
    crop_px: int = _same("crop_px", default=256, low=128)
    coarse_share: float = fields.setting(
        0.8,
        group="Training",
        low=0,
        high=1,
        example="0.5",
        help="Share of the steps, the first ones, on squares of half that side, which take a quarter of the time.",
    )
    batch: int = fields.setting(
        1, group="Training", low=1, high=64, example="4", help="Squares of photographs in each update."
    )
    width: int = fields.setting(
        16,
        group="Network",
        low=4,
        high=64,
        example="32",
        help="Channels of the first layer; twice and four times as many follow. 16 as in the authors' published "
        "models, 32 as in their paper.",
    )
    blocks: int = fields.setting(
        5, group="Network", low=1, high=16, example="5", help="Residual blocks; 5 in the paper."
    )
    flat_share: float = _same("flat_share")
    learning_rate: float = _same(
        "learning_rate",
        default=1e-3,
        help="Adam's step after a rise of 100 updates; it falls along a cosine to a twentieth.",
    )
    content_weight: float = _same("content_weight")
    style_weight: float = _same("style_weight")
    total_variation_weight: float = _same("total_variation_weight")
    content_layers: tuple[str, ...] = _same("content_layers")
    style_layers: tuple[str, ...] = _same("style_layers")
    seed: int = _same("seed")
    preview_interval: int = _same("preview_interval")
    weights: str = _same("weights")
    precision: str = _same("precision")

    def __post_init__(self) -> None:
        fields.check(self)
        for name in ("content_layers", "style_layers"):
            object.__setattr__(self, name, tuple(vgg.layer_name(layer) for layer in getattr(self, name)))
        self.objective  # noqa: B018  # its own checks

    @property
    def objective(self) -> optimisation.StyleTransferConfig:
        """The objective that the network is trained by."""
        return training.objective_of(self)
