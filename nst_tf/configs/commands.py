"""The flags of each command that are not settings of a method: its files, its method, its reports.

Imports no TensorFlow.
"""

import dataclasses
import functools

from nst_tf import errors
from nst_tf.configs import evaluation, fields, figures, optimisation, video

METHODS = ("gatys", "adain", "multi-style", "one-style", "recolour")
ARCHITECTURES = ("multi-style", "one-style")
CHECKPOINT_INTERVAL_S = 30.0  # what a killed run loses at most
WEIGHT_SETS = {  # that a network's weights come in, and what needs them
    "normalised": "VGG-19 with normalised filters: the preset default and most others, and AdaIN's encoder",
    "imagenet": "VGG-19 as it was trained: gatys-original and the presets of other systems",
    "decoder": "AdaIN's decoder: --method=adain, --initialisation=adain",
    "multi-style": "the network of style:0 to style:25: --method=multi-style, --network_file=magenta",
    **{f"lpips-{network}": f"nst-tf evaluate --lpips={network}" for network in evaluation.LPIPS_NETWORKS},
}

_FILES = "Input and output"
_WITH_MASKS = ("gatys", "adain", "multi-style", "one-style")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StylizeCommand:
    """The flags of `nst-tf stylize` beyond its method's settings."""

    content: str = fields.setting(
        "",
        group=_FILES,
        required=True,
        path="input",
        example="photo.jpg",
        help="The picture to render: a path, or sample:NAME for one of the shipped pictures.",
    )
    style: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        required=True,
        path="input",
        example="painting.jpg",
        help="The picture whose style it takes; several, separated by commas, are blended (--style_blend). With "
        "--method=multi-style or one-style a learned style: style:NAME, style:NUMBER or a .style file of nst-tf train.",
    )
    output: str = fields.setting(
        "",
        group=_FILES,
        required=True,
        path="output",
        example="out.png",
        help="Where the result goes; the suffix names the format.",
    )
    bit_depth: int = fields.setting(
        8, group=_FILES, choices=(8, 16), example="16", help="Bits a channel of the output; 16 for PNG only."
    )
    lut: str = fields.setting(
        "",
        group=_FILES,
        path="output",
        example="look.cube",
        help="Where to write what the result did to the photograph's colours: a look-up table (.cube), which photo and "
        "video programs apply to other pictures. How near it comes is printed. Default: none.",
    )
    method: str = fields.setting(
        "gatys",
        group=_FILES,
        choices=METHODS,
        example="adain",
        help="gatys: optimise the picture, in minutes. adain: one pass through a network, in seconds. multi-style: one "
        "pass in a style that was learned before, in a second. one-style: the same by a network of that style alone. "
        "recolour: the style picture's colours alone, in milliseconds. "
        "Where --style names a learned style, its method is the default.",
    )
    style_masks: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        path="input",
        methods=_WITH_MASKS,
        example="sky.png,land.png",
        help="One picture for each style, of the content's aspect ratio: white where the style goes, black where not; "
        "masks that overlap share. What no mask covers stays the content's; adain draws it without a style.",
    )
    style_own_masks: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        path="input",
        methods=("gatys", "adain"),
        example="its-sky.png,its-land.png",
        help="One picture for each style, of the style picture's aspect ratio: white where the style is taken from, so "
        "that sky takes from sky. Default: the whole of it.",
    )
    keep_mask: str = fields.setting(
        "",
        group=_FILES,
        path="input",
        methods=_WITH_MASKS,
        example="face.png",
        help="A picture of the content's aspect ratio: white where the content stays exactly as it is; grey blends.",
    )
    logdir: str = fields.setting(
        "",
        group="Reports",
        path="folder",
        methods=("gatys",),
        example="runs/first",
        help="Folder for TensorBoard's events: losses by layer, gradient norm, pictures, settings. Needs the package "
        "tensorboard (nst-tf[tensorboard]). Default: none.",
    )
    checkpoint_dir: str = fields.setting(
        "",
        group="Checkpoints",
        path="folder",
        methods=("gatys",),
        example="runs/first",
        help="Folder that saves the run in case it is killed: one file, written at intervals and at Ctrl-C or SIGTERM, "
        "removed when the result is written. lbfgs takes 24 bytes a pixel for each of its pairs, plus 36: 406 MB at "
        "1024 x 768 px with 20 pairs; adam takes 48 bytes a pixel. Default: none.",
    )
    checkpoint_interval_s: float = fields.setting(
        CHECKPOINT_INTERVAL_S,
        group="Checkpoints",
        methods=("gatys",),
        low=0,
        example="300",
        help="Seconds between two checkpoints, the most that a killed run loses; 0 writes one after every step.",
    )
    resume: bool = fields.setting(
        False,
        group="Checkpoints",
        methods=("gatys",),
        example="true",
        help="Continue the run of --checkpoint_dir. It ends as it would have ended without the interruption, bit for "
        "bit on the same machine. Refused if there is no checkpoint, or if settings, pictures or weights have changed.",
    )
    threads: int = fields.setting(
        0,
        group="Machine",
        low=0,
        example="1",
        help="TensorFlow's threads; 0 takes one for each hardware thread that the process may use.",
    )

    def __post_init__(self) -> None:
        fields.check(self)


_same = functools.partial(fields.like, StylizeCommand)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FigureCommand:
    """The flags of `nst-tf figure` beyond the figure's settings."""

    content: str = _same("content", default=figures.DEFAULT_CONTENT, required=False)
    style: str = fields.setting(
        "",
        group=_FILES,
        path="input",
        example="painting.jpg",
        help="The picture whose style it takes: a path or sample:NAME. "
        f"Default: {figures.DEFAULT_STYLE}; {figures.DEFAULT_PHOTOGRAPH} for the figure photorealism.",
    )
    output: str = _same("output", example="grid.png", help="Where the grid goes; the suffix names the format.")
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoCommand:
    """The flags of `nst-tf video` beyond the settings of the film and of its method."""

    content: str = _same(
        "content",
        example="clip.mp4",
        help="The film to render: a video file, a GIF, an animated WebP, or a folder of pictures.",
    )
    style: tuple[str, ...] = _same("style")
    output: str = _same(
        "output",
        example="out.mp4",
        help="Where the film goes: .mp4, .webm, .mkv, .mov, .gif or .webp, or without a suffix a folder of pictures.",
    )
    method: str = fields.setting(
        "adain",
        group=_FILES,
        choices=video.FILM_METHODS,
        example="gatys",
        help="multi-style, one-style and adain draw each frame in one pass; a learned style names its own method. "
        "gatys optimises each frame, in minutes: for short clips.",
    )
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SheetCommand:
    """The flags of `nst-tf sheet` beyond the sheet's settings."""

    content: str = _same("content")
    styles: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        required=True,
        path="input",
        example="a.jpg,b.jpg",
        help="The styles: pictures, learned styles (style:NAME or a .style file), or all for every learned style that "
        "comes with nst_tf.",
    )
    output: str = _same("output", example="sheet.png", help="Where the sheet goes; the suffix names the format.")
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluateCommand:
    """The flags of `nst-tf evaluate` beyond the settings of the evaluation."""

    content: str = _same(
        "content", help="The picture that was rendered: a path or sample:NAME. It is scaled to each result."
    )
    style: tuple[str, ...] = _same(
        "style",
        required=False,
        help="The picture whose style was taken; several are separated by commas. Not with --video.",
    )
    images: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        path="input",
        example="a.png,b.png",
        help="The results to judge, separated by commas; each at its own size.",
    )
    style_masks: tuple[str, ...] = _same(
        "style_masks",
        methods=(),
        help="The masks that the results were made with, one for each style: each region is compared with its style, "
        "and style_1, style_2 and so on are the distances of the regions, whatever their size.",
    )
    video: str = fields.setting(
        "",
        group=_FILES,
        path="input",
        example="out.mp4",
        help="A film to judge in place of pictures; --content is then the film that it was made from. Prints flicker "
        "and sharpness.",
    )
    output: str = _same(
        "output",
        required=False,
        example="table.csv",
        help="A file for the table, which is printed in any case. Default: none.",
    )
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchCommand:
    """The flags of `nst-tf batch` beyond the job's settings."""

    input: tuple[str, ...] = fields.setting(
        (),
        group=_FILES,
        required=True,
        path="input",
        example="'photos/**/*.jpg'",
        help="The pictures: paths or globs, separated by commas; ** matches any folders.",
    )
    style: tuple[str, ...] = _same(
        "style",
        required=False,
        help="The picture whose style they take: a path or sample:NAME; several are blended. Not with --bundle.",
    )
    style_masks: tuple[str, ...] = _same(
        "style_masks",
        methods=(),
        example="sky-masks,land-masks",
        help="A folder of masks for each style, with one for each picture under the picture's name, whatever its "
        "suffix: white where the style goes. What no mask covers is drawn without a style; with --bundle, which has "
        "one style, it stays as it is.",
    )
    keep_mask: str = _same(
        "keep_mask",
        methods=(),
        example="faces",
        help="A folder of masks in the same way: white where a picture stays as it is.",
    )
    output_dir: str = fields.setting(
        "",
        group=_FILES,
        required=True,
        path="store",
        example="out",
        help="The folder of the results, here or in an object store (s3://bucket/out); created.",
    )

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """The flags of `nst-tf export` beyond the settings that it fixes."""

    output_dir: str = fields.setting(
        "",
        group="Output",
        required=True,
        path="folder",
        example="saved_models/gatys",
        help="The model's folder; its name becomes the model's name. A bundle goes to OUTPUT_DIR/VERSION, litert and "
        "onnx files go directly into it.",
    )
    style: tuple[str, ...] = _same(
        "style",
        group="Output",
        required=False,
        methods=("adain", "multi-style", "one-style"),
        help="The style that is fixed: a picture for adain, a learned one for multi-style and one-style; several are "
        "blended (--style_blend). Without it each request has its own.",
    )
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """The flags of `nst-tf train` beyond the training's settings."""

    style: str = fields.setting(
        "",
        group=_FILES,
        required=True,
        path="input",
        example="painting.jpg",
        help="The painting whose style is learned: a path or sample:NAME.",
    )
    architecture: str = fields.setting(
        "multi-style",
        group=_FILES,
        choices=ARCHITECTURES,
        example="one-style",
        help="multi-style: the style's 2406 numbers for the network of many styles, in about a minute. one-style: "
        "a network of its own, from nothing, in hours on two cores (Johnson et al. 2016).",
    )
    output: str = _same(
        "output",
        example="painting.style",
        help="Where the style goes: a file of some kilobytes, for --style of nst-tf stylize. Ends in .style.",
    )
    photographs: str = fields.setting(
        "",
        group=_FILES,
        path="input",
        example="photos/",
        help="Photographs to train on: a folder or a glob. Those that cannot be read are left out and counted. "
        "Default: the samples, which are few; a hundred of one's own give cleaner pictures.",
    )
    logdir: str = _same(
        "logdir",
        methods=(),
        help="Folder for TensorBoard's events: losses, previews, settings. Needs the package tensorboard "
        "(nst-tf[tensorboard]). Default: none.",
    )
    checkpoint_dir: str = _same(
        "checkpoint_dir",
        methods=("one-style",),
        help="Folder that saves the training in case it is killed: one file of some megabytes, written at intervals "
        "and at Ctrl-C or SIGTERM, removed when the style is written. Default: none.",
    )
    checkpoint_interval_s: float = _same("checkpoint_interval_s", methods=("one-style",))
    resume: bool = _same(
        "resume",
        methods=("one-style",),
        help="Continue the training of --checkpoint_dir. Refused if there is no checkpoint, or if settings, "
        "painting or weights have changed.",
    )
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClientCommand:
    """The flags of `nst-tf client` beyond the request's settings."""

    content: str = _same("content", help="The picture to render: a path or sample:NAME.")
    style: str = fields.setting(
        "",
        group=_FILES,
        path="input",
        example="painting.jpg",
        help="The picture whose style it takes: a path or sample:NAME, or a file of --save_style. For a bundle of "
        "multi-style style:NAME, style:NUMBER, a blend (style:NAME=0.7,NUMBER=0.3) or a .style file. Left out for a "
        "bundle with its style inside. Several, separated by commas, with --style_blend or --style_masks.",
    )
    style_blend: tuple[float, ...] = fields.like(optimisation.StyleTransferConfig, "style_blend", group=_FILES)
    style_masks: tuple[str, ...] = _same(
        "style_masks",
        methods=(),
        help="One picture for each style, of the content's aspect ratio: white where the style goes, black where not. "
        "The server's bundle needs the signature stylize_regions.",
    )
    keep_mask: str = _same("keep_mask", methods=())
    save_style: str = fields.setting(
        "",
        group=_FILES,
        path="output",
        example="painting.npz",
        help="Has the server encode the style once and writes the numbers here, to be given as --style from then on.",
    )
    output: str = _same("output")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorCommand:
    """The flags of `nst-tf doctor`."""

    measure: bool = fields.setting(
        False,
        group="Machine",
        example="true",
        help="Measure the forms of the convolutions anew, in a second, in place of what is remembered.",
    )
    threads: int = _same("threads")

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplesCommand:
    """The flags of `nst-tf samples`."""

    sheet: str = fields.setting(
        "",
        group=_FILES,
        path="output",
        example="samples.png",
        help="A page that shows every sample with title, author and status, in place of the list; the suffix names the "
        "format.",
    )

    def __post_init__(self) -> None:
        fields.check(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsCommand:
    """The flags of `nst-tf weights`."""

    fetch: tuple[str, ...] = fields.setting(
        (),
        group="Weights",
        example="all",
        help=f"Sets of weights to fetch where they are not in the cache: all, or some of {', '.join(WEIGHT_SETS)}.",
    )

    def __post_init__(self) -> None:
        fields.check(self)
        unknown = [name for name in self.fetch if name not in WEIGHT_SETS]
        if unknown and self.fetch != ("all",):
            raise errors.ConfigError(
                f"fetch must be all, or some of {', '.join(WEIGHT_SETS)}. Received: {', '.join(unknown)}."
            )
