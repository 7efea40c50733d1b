"""The settings of the style augmentation and of bulk work. Imports no TensorFlow."""

import dataclasses
import functools

from nst_tf import errors
from nst_tf.configs import adain, fields, optimisation

_same = functools.partial(fields.like, optimisation.StyleTransferConfig)
_of_adain = functools.partial(fields.like, adain.AdainConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StyleAugmentConfig:
    """How the pictures of a pipeline are stylised; see `pipelines.StyleAugment`."""

    probability: float = fields.setting(
        0.5, group="Augmentation", low=0, high=1, example="1", help="Share of the pictures that are stylised."
    )
    strength: tuple[float, ...] = fields.setting(
        (1.0, 1.0),
        group="Augmentation",
        low=0,
        high=1,
        example="0.3,1",
        help="Lowest and highest strength; each picture draws its own in between. Geirhos et al. 2019 use 1.",
    )
    style_max_side_px: int = fields.setting(
        512,
        flag="style_size",
        group="Augmentation",
        low=16,
        example="256",
        help="Long side in pixels at which the styles are read: smaller gives finer strokes.",
    )
    seed: int = fields.setting(
        0,
        group="Augmentation",
        low=0,
        high=2**31 - 1,
        example="7",
        help="Combined with the number of a picture if that is its seed; also seeds the layer's own generator.",
    )
    precision: str = _same("precision")
    weights: str = _same("weights")
    decoder: str = _of_adain("decoder", group="Network")

    def __post_init__(self) -> None:
        fields.check(self)
        if len(self.strength) != 2 or self.strength[0] > self.strength[1]:
            raise errors.ConfigError(
                "strength must be the lowest and the highest one. "
                f"Received: {self.strength}. Example: (0.3, 1.0), or (1.0, 1.0) for the same on every picture."
            )


BAKED_IN = ("style_max_side_px", "style_blend", "colours", "decoder", "weights", "precision")  # into a bundle


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Many pictures in one style, in one pass each. Every field is also a flag of `nst-tf batch`."""

    max_side_px: int = _of_adain("max_side_px")
    style_max_side_px: int | None = _of_adain(
        "style_max_side_px",
        help="Long side in pixels at which styles are read, the same for all pictures: smaller gives finer strokes. "
        "Default: --size. A smaller style picture is never enlarged.",
    )
    style_blend: tuple[float, ...] = _of_adain("style_blend")
    strength: float = _of_adain("strength")
    guided_filter_radius: float = _of_adain("guided_filter_radius")
    guided_filter_epsilon: float = _of_adain("guided_filter_epsilon")
    colours: str = _of_adain("colours")
    colour_map: str = _of_adain("colour_map")
    suffix: str = fields.setting(
        ".png", group="Picture", example=".jpg", help="Format of the results, as a file suffix."
    )
    decoder: str = _of_adain("decoder", group="Network")
    weights: str = _of_adain("weights")
    precision: str = _of_adain("precision")
    bundle: str = fields.setting(
        "",
        group="Network",
        path="input",
        example="saved_models/adain/1",
        help="A bundle with a fixed style, as nst-tf export --method=adain (or multi-style) --style=... makes it, to "
        "run instead of a network built here; then leave out --style and the other settings of network and style. It "
        "computes in the precision it was exported in, float32 unless another was chosen there.",
    )
    batch_size: int = fields.setting(
        4,
        group="Machine",
        low=1,
        example="16",
        help="Largest number of pictures that pass through the network together. Only pictures of the same size "
        "do, and each result is the same as alone. A larger number uses a GPU better and needs more memory.",
    )
    threads: int = fields.setting(
        0,
        group="Machine",
        low=0,
        example="1",
        help="TensorFlow's threads in each worker process; 0 leaves the choice to TensorFlow, which uses every core. "
        "With one worker per core, set 1.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        object.__setattr__(self, "suffix", f".{self.suffix.removeprefix('.')}")
        baked_in = [field for field in dataclasses.fields(self) if field.name in BAKED_IN]
        given = [fields.label(field) for field in baked_in if getattr(self, field.name) != field.default]
        if self.bundle and given:
            raise errors.ConfigError(
                f"a bundle has a fixed network and style. Received: bundle with {', '.join(given)}. Leave them out, or "
                "leave out bundle."
            )
        fields.check_blend(self.style_blend)
