"""The settings of a film, whatever method draws its frames. Imports no TensorFlow."""

import dataclasses

from nst_tf import errors
from nst_tf.configs import fields

CODECS = ("vp9", "av1", "h264")
FILM_METHODS = ("multi-style", "one-style", "adain", "gatys")

_FILM = "Film"
_MOST_CRF_OF_H264 = 51
_OPTIMISED = "Film, with --method=gatys"


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """How a film is kept steady and how it is written. Every field is also a flag of `nst-tf video`."""

    stability: float = fields.setting(
        0.85,
        group=_FILM,
        low=0,
        high=1,
        example="0.7",
        help="How much of a frame is the frame before it, moved along the optical flow, where that can be relied on: 0 "
        "draws every frame by itself, which flickers; 1 keeps the first frame's strokes for as long as they can be "
        "followed. Not with --method=gatys, which has --temporal_weight.",
    )
    codec: str = fields.setting(
        "auto",
        group=_FILM,
        choices=("auto", *CODECS),
        example="av1",
        help="Codec of the pictures. auto: vp9, which is free of licence fees, as is av1. h264 plays everywhere; "
        "patents may cover its use, and its encoder here, x264, is under the GPL.",
    )
    crf: int | None = fields.setting(
        None,
        group=_FILM,
        low=0,
        high=63,
        example="18",
        help="Constant quality in the codec's own numbers: lower is better and larger. Default: 24 for vp9, 28 for "
        "av1, 18 for h264, which goes to 51.",
    )
    audio: str = fields.setting(
        "copy",
        group=_FILM,
        choices=("copy", "none"),
        example="none",
        help="copy: the sound as it is, not encoded again. none: a silent film.",
    )
    frames: int | None = fields.setting(
        None, group=_FILM, low=1, example="36", help="Only so many frames from the start. Default: all."
    )
    frame_rate: float = fields.setting(
        25.0,
        group=_FILM,
        above=0,
        high=1000,
        example="12",
        help="Frames a second of a folder of pictures, which does not say so itself. Films and animations keep their "
        "own times.",
    )
    segment_frames: int = fields.setting(
        100,
        group=_FILM,
        low=1,
        example="250",
        help="Frames between two points at which a killed run continues: each finished segment is a file in "
        "OUTPUT.parts, until all are joined.",
    )
    temporal_weight: float = fields.setting(
        200.0,
        group=_OPTIMISED,
        low=0,
        methods=("gatys",),
        example="1000",
        help="Weight of the temporal term: the mean squared difference to the frames before, moved along the optical "
        "flow, where that can be relied on. More of it calms the film and leaves less room to the style. 0 leaves "
        "only the start from the frame before.",
    )
    temporal_distances: tuple[float, ...] = fields.setting(
        (1, 2, 4),
        group=_OPTIMISED,
        low=1,
        methods=("gatys",),
        example="1,10,20,40",
        help="J of Ruder et al. 2016: how many frames back the temporal term compares. The nearest comes first; a "
        "farther one counts where all nearer ones were hidden.",
    )
    next_steps: int = fields.setting(
        40,
        group=_OPTIMISED,
        low=1,
        methods=("gatys",),
        example="100",
        help="Evaluations for each frame after the first, at the full size alone; the first frame takes --steps and "
        "--scales.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        if self.codec == "h264" and (self.crf or 0) > _MOST_CRF_OF_H264:
            raise errors.ConfigError(f"crf must be at most {_MOST_CRF_OF_H264} for h264. Received: {self.crf}.")
