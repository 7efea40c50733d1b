"""The settings of an export: what is exported, and its built-in limits. Imports no TensorFlow."""

import dataclasses

from nst_tf import errors
from nst_tf.configs import fields

METHODS = ("gatys", "adain", "multi-style", "one-style")
FORMATS = ("saved_model", "litert", "onnx", "plain")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """One exported bundle. Every field is also a flag of `nst-tf export`."""

    method: str = fields.setting(
        "gatys",
        group="Export",
        choices=METHODS,
        example="gatys",
        help="gatys: the whole optimisation in the graph. adain: one pass, with the style in each request, or fixed by "
        "--style. multi-style: one pass in learned styles, which a request names or blends, or in the one of --style. "
        "one-style: one pass of the network in the file of --style.",
    )
    format: str = fields.setting(
        "saved_model",
        group="Export",
        choices=FORMATS,
        example="onnx",
        help="saved_model: a bundle for TensorFlow Serving. litert, onnx: files for other runtimes. plain: a "
        "SavedModel of arrays alone, which OpenVINO and tensorflowjs convert. These three are for one pass: adain "
        "and one-style need --style, multi-style takes gamma and beta without it.",
    )
    version: int | None = fields.setting(
        None,
        group="Export",
        low=1,
        high=2**63 - 1,
        example="3",
        help="Number of the version folder; a server loads the highest. Default: the next free one.",
    )
    several_styles: bool = fields.setting(
        True,
        group="Export",
        example="false",
        help="Gives a bundle the signatures stylize_blend and stylize_regions: several styles with shares or masks, "
        "and a part that is kept. A bundle of gatys takes twice as long to load with them.",
    )
    max_pixels: int = fields.setting(
        2**24,
        group="Limits",
        low=16 * 16,
        high=2**29,
        example="4000000",
        help="A picture with more pixels than this is refused before it is decoded.",
    )
    max_steps: int = fields.setting(
        500,
        group="Limits",
        low=1,
        high=10000,
        example="200",
        help="Largest number of evaluations at one size; a request for more is cut to this number.",
    )
    max_content_weight: float = fields.setting(
        1e6,
        group="Limits",
        above=0,
        example="1000",
        help="A request with a larger content weight is refused.",
    )
    max_batch_size: int = fields.setting(
        0,
        group="Limits",
        low=0,
        high=1024,
        example="8",
        help="Pictures that the server merges from several requests into one batch; 0 merges none. It gains nothing "
        "on a CPU, a batch fails as one, and stylize_tensor then takes pictures of one size only.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        if self.format != "saved_model" and self.method == "gatys":
            raise errors.ConfigError(
                f"--format={self.format} is for one pass, and gatys optimises. Use --method=adain or multi-style, or "
                "--format=saved_model."
            )
