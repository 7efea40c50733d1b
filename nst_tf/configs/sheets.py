"""The settings of a contact sheet. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import errors
from nst_tf.configs import fields, optimisation, presets

SHEET_METHODS = ("gatys", "adain", "multi-style")
ALL_STYLES = "all"

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SheetConfig:
    """What a contact sheet shows: styles by methods by strengths, or blends. Every field is also a flag."""

    methods: tuple[str, ...] = fields.setting(
        (),
        group="Sheet",
        example="adain,gatys",
        help=f"The methods to compare, of {', '.join(SHEET_METHODS)}. Default: adain for pictures, multi-style for "
        "learned styles. A style is drawn by those of them that can draw it.",
    )
    strengths: tuple[float, ...] = fields.setting(
        (1.0,),
        group="Sheet",
        low=0,
        high=1,
        example="0.3,0.6,1",
        help="The strengths, a column each.",
    )
    blends: int = fields.setting(
        0,
        group="Sheet",
        low=0,
        high=33,
        example="5",
        help="Draws this many steps from each style to the next, a row for each pair, in place of --strengths; at "
        "least 3. 0 draws none.",
    )
    max_side_px: int = _same(
        "max_side_px", default=256, low=32, group="Sheet", help="Long side of each picture of the sheet in pixels."
    )
    quality: str = _same(
        "quality",
        default=presets.DEFAULT_QUALITY,
        group="Sheet",
        help="How much work each picture by gatys gets: "
        + "; ".join(f"{name}: {quality.summary}" for name, quality in presets.QUALITIES.items())
        + ".",
    )
    colours: str = _same("colours", group="Sheet")
    colour_map: str = _same("colour_map", group="Sheet")

    def __post_init__(self) -> None:
        fields.check(self)
        unknown = [name for name in self.methods if name not in SHEET_METHODS]
        if unknown:
            raise errors.ConfigError(
                f"methods must be some of {', '.join(SHEET_METHODS)}. Received: {', '.join(unknown)}."
            )
        if 0 < self.blends < 3:
            raise errors.ConfigError(
                f"blends must be at least 3, both styles and something between, or 0. Received: {self.blends}."
            )
        if not self.strengths:
            raise errors.ConfigError("strengths must have at least one value. Received: none.")
        if self.blends and self.strengths != (1.0,):
            raise errors.ConfigError("blends and strengths exclude each other. Received: both. Leave out one of them.")
