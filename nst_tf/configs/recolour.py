"""The settings of a transfer of colours alone. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import errors
from nst_tf.configs import fields, optimisation

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecolourConfig:
    """A photograph in the colours of another picture, by one affine map of all colours.

    Every field is also a flag of `nst-tf stylize --method=recolour`, whose `--help` shows the same texts.
    """

    max_side_px: int | None = _same(
        "max_side_px",
        default=None,
        help="Long side of the result in pixels; a smaller picture is never enlarged. Default: the photograph's size.",
    )
    style_blend: tuple[float, ...] = _same("style_blend")
    strength: float = _same("strength")
    colours: str = _same("colours")
    colour_map: str = _same("colour_map")

    def __post_init__(self) -> None:
        fields.check(self)
        fields.check_blend(self.style_blend)
        if self.colours == "content":
            raise errors.ConfigError(
                "colours must be style or luminance where colours are all that is transferred. Received: 'content', "
                "which would leave the picture as it is."
            )
