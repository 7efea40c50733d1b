"""The settings of a request to a server. Imports no TensorFlow."""

import dataclasses

from nst_tf.configs import fields, optimisation, presets


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """One request. Every field is also a flag of `nst-tf client`.

    The settings of the group Request are sent if the model takes them. Giving one explicitly to a model that does not
    take it is an error.
    """

    server: str = fields.setting(
        "localhost:8500",
        group="Server",
        example="https://example.org:8501",
        help="HOST:PORT, or https://HOST:PORT for a server with TLS. TensorFlow Serving: 8500 for grpc, 8501 for rest.",
    )
    transport: str = fields.setting(
        "grpc",
        group="Server",
        choices=("grpc", "rest"),
        example="rest",
        help="grpc needs `pip install 'nst-tf[serving]'`; rest needs nothing but sends a third more bytes.",
    )
    model: str = fields.setting("gatys", group="Server", example="adain", help="The model's name on the server.")
    model_version: int | None = fields.setting(
        None, group="Server", low=1, example="2", help="Version of the model. Default: the newest on the server."
    )
    timeout_s: float = fields.setting(
        600.0,
        group="Server",
        above=0,
        example="60",
        help="Seconds after which the request is given up, retries included; the server then stops working on it.",
    )
    retries: int = fields.setting(
        4,
        group="Server",
        low=0,
        high=100,
        example="0",
        help="How often a request is repeated while the server is unavailable, after 0.5, 1, 2 s and so on.",
    )
    max_side_px: int = fields.setting(
        optimisation.StyleTransferConfig.max_side_px,
        flag="size",
        group="Request",
        low=16,
        example="1024",
        help="Long side of the result in pixels; the bundle has a limit of its own. A smaller picture is never "
        "enlarged.",
    )
    style_max_side_px: int | None = fields.setting(
        None,
        flag="style_size",
        group="Request",
        low=16,
        example="1024",
        help="Long side in pixels of the style picture that is sent. Default: --size.",
    )
    steps: int | None = fields.setting(
        None,
        group="Request",
        low=1,
        example="50",
        help="Evaluations at the full size; the bundle has a limit of its own, and does in proportion at the coarser "
        f"sizes. Default: {presets.QUALITIES[presets.DEFAULT_QUALITY].settings['steps']}.",
    )
    content_weight: float | None = fields.setting(
        None,
        group="Request",
        low=0,
        example="10",
        help=f"alpha of eq. 7. Default: {optimisation.StyleTransferConfig.content_weight:g}.",
    )
    seed: int | None = fields.setting(
        None,
        group="Request",
        low=0,
        high=2**31 - 1,
        example="7",
        help="Seed of the white noise, if the bundle starts from it. Default: 0.",
    )

    style_strength: float | None = fields.setting(
        None, group="Request", low=0, high=1, example="0.6", help="alpha of AdaIN: 0 to 1. Default: 1."
    )

    def __post_init__(self) -> None:
        fields.check(self)
