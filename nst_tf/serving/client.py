"""A client of a served bundle, over gRPC or REST. REST needs no TensorFlow here.

The client does for pictures what a graph does not: EXIF orientation, ICC profiles, transparency.
"""

import dataclasses
import io
import os
import pathlib
import time
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nst_tf import configs, errors, files, vgg
from nst_tf.pictures import images, inputs
from nst_tf.pictures import masks as pictures_masks
from nst_tf.serving import grpc_transport, rest_transport, transport
from nst_tf.weights import known_styles, style_files

STYLE_SUFFIX = ".npz"  # of a file with an encoded style
_FIRST_WAIT_S = 0.5
_STYLE_MIN_SIDE_PX = vgg.stride_px(*vgg.LAYERS)  # of which something is left at every layer that a bundle may have
_STYLE_INPUTS = ("style_mean", "style_deviation")


class Pictures(NamedTuple):
    """The pictures of a request."""

    content: images.Picture
    style: "images.Picture | Style | None"


class NamedStyle(NamedTuple):
    """A learned style that a model knows by its name, or a blend of several."""

    style: str  # such as "redon", "7", "redon=0.7,auvers=0.3"


class LearnedStyle(NamedTuple):
    """A learned style that a request brings along: what `nst-tf train` found."""

    gamma: np.ndarray  # float32 [N]
    beta: np.ndarray  # float32 [N]


class EncodedStyle(NamedTuple):
    """What a model knows of a style picture: a few numbers that are sent in its place."""

    style_mean: np.ndarray  # float32 [N]
    style_deviation: np.ndarray  # float32 [N]


Style = NamedStyle | LearnedStyle | EncodedStyle  # what is sent in a style picture's place


def stylize(
    content: inputs.Source,
    style: "inputs.Source | Style | Sequence[inputs.Source | Style] | None",
    config: configs.ClientConfig | None = None,
    *,
    style_blend: Sequence[float] = (),
    style_masks: Sequence[inputs.Source] = (),
    keep_mask: inputs.Source | None = None,
) -> images.Picture:
    """Has a server render a picture in the style of another, or of several.

    Args:
        content: a path, `sample:NAME` or an `images.Picture`.
        style: the same; or an encoded style, or a learned one (`style:NAME`, a .style file), which need a bundle of
            adain and of multi-style; None for a bundle that has its style inside. Beside shares or masks a list of
            pictures, or of learned styles by their names.
        config: the server and the settings of the request.
        style_blend: none, or one share for each style picture; learned styles have theirs in their names.
        style_masks: none, or one picture for each style: white where the style goes, black where not.
        keep_mask: a picture that is white where the content stays as it is; soft edges blend.

    Returns:
        The result, with the content picture's transparency.

    Raises:
        ServingError: the server cannot be reached, does not answer in time, or refuses; the message says which.
        ImageError: a picture that cannot be read.
        ConfigError: shares or masks that do not fit the styles.
    """
    config = configs.as_config(config, configs.ClientConfig)
    given = pictures_masks.Given(style_masks, keep=keep_mask)
    is_several = bool(style_blend or style_masks or keep_mask is not None or isinstance(style, list | tuple))
    if is_several and not isinstance(style, Style):
        listed = [] if style is None else list(style) if isinstance(style, list | tuple) else [style]
        return _answered(*_several(content, listed, config, style_blend, given), config)
    picture, style_picture = load(content, style, config)
    values: dict[str, list[Any]] = {"content_bytes": [images.encode(picture.pixels, ".png")]}
    signature = transport.SIGNATURE
    if isinstance(style_picture, NamedStyle):
        values["style"] = [style_picture.style]
    elif isinstance(style_picture, EncodedStyle | LearnedStyle):
        signature = "apply_style"
        values |= {name: [part.tolist()] for name, part in style_picture._asdict().items()}
    elif style_picture is not None:
        values["style_bytes"] = [images.encode(style_picture.pixels, ".png")]
    return _answered(picture, values, signature, config)


def _answered(
    picture: images.Picture, values: dict[str, list[Any]], signature: str, config: configs.ClientConfig
) -> images.Picture:
    """The server's answer for one picture, with that picture's transparency."""
    outputs = predict(values, config, signature)
    try:
        (encoded,) = outputs["stylized_bytes"]
    except (KeyError, ValueError) as error:
        raise errors.ServingError(
            f"{config.model} must answer with one picture, stylized_bytes. Received: {', '.join(outputs)}."
        ) from error
    result = images.load(encoded, name=f"the answer of {config.server}")
    alpha = picture.alpha
    if alpha is not None:
        alpha = images.resize(alpha, result.height_px, result.width_px)
    return images.Picture(pixels=result.pixels, alpha=alpha, sha256=result.sha256, name=picture.name)


def _several(
    content: inputs.Source,
    styles: Sequence["inputs.Source | Style"],
    config: configs.ClientConfig,
    style_blend: Sequence[float],
    given: pictures_masks.Given,
) -> tuple[images.Picture, dict[str, list[Any]], str]:
    """The picture, the values and the signature of a request for several styles."""
    has_masks = bool(given.styles or given.keep is not None)
    pictures_masks.check(given, len(styles), style_blend)
    picture, read = _loaded(content, config.max_side_px), [_loaded_style(style, config) for style in styles]
    values: dict[str, list[Any]] = {"content_bytes": [images.encode(picture.pixels, ".png")]}
    named = [one.style for one in read if isinstance(one, NamedStyle)]
    pixels = [one.pixels for one in read if isinstance(one, images.Picture)]
    if len(named) + len(pixels) != len(styles) or (named and pixels) or (named and style_blend):
        raise errors.ConfigError(
            "several styles must be pictures alone, or learned styles by name, whose shares are in their names "
            f"(style:redon=0.7,auvers=0.3). Received: {', '.join(map(str, styles))}. Give styles of one kind."
        )
    if style_blend and len(style_blend) != len(styles):
        raise errors.ConfigError(
            f"style_blend needs one share for each of the {len(styles)} style pictures. Received: {len(style_blend)}."
        )
    if named:
        values["style"] = [named]
    elif pixels:
        values["style_bytes"] = [[images.encode(one, ".png") for one in pixels]]
    if not has_masks:
        values["style_blend"] = [list(style_blend) or [1.0] * len(styles)]
        return picture, values, "stylize_blend"
    masks = pictures_masks.read_content_masks(inputs.Inputs(picture, ()), given)
    if styles:
        values["style_mask_bytes"] = [[_sent_mask(mask) for mask in masks.masks] or [b""] * len(styles)]
    values["keep_mask_bytes"] = [_sent_mask(masks.keep) if masks.keep else b""]
    return picture, values, "stylize_regions"


def _sent_mask(mask: images.Picture) -> bytes:
    return images.encode(np.repeat(pictures_masks.plane(mask), 3, -1), ".png")


def encode_style(style: inputs.Source, config: configs.ClientConfig | None = None) -> EncodedStyle:
    """Has a server encode a style once, by the signature encode_style; `stylize` takes the result for every content.

    Raises:
        ServingError: as `stylize`; only bundles of adain without a style inside have that signature.
        ImageError: a picture that cannot be read.
    """
    config = configs.as_config(config, configs.ClientConfig)
    side_px = config.style_max_side_px or config.max_side_px
    picture = _loaded(style, side_px, min_side_px=_STYLE_MIN_SIDE_PX)
    of_contents: dict[str, Any] = dict.fromkeys(("steps", "content_weight", "seed", "style_strength"))
    request = dataclasses.replace(config, max_side_px=side_px, **of_contents)
    outputs = predict({"style_bytes": [images.encode(picture.pixels, ".png")]}, request, "encode_style")
    try:
        return _checked_style({name: np.asarray(outputs[name], np.float32)[0] for name in _STYLE_INPUTS})
    except (LookupError, ValueError) as error:
        raise errors.ServingError(
            f"{config.model} must answer with an encoded style. Received: {errors.one_line(error)}."
        ) from error


def save_style(path: str | os.PathLike[str], style: EncodedStyle) -> None:
    """Writes an encoded style to an .npz file.

    Raises:
        OutputError: it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **style._asdict())
    files.write_atomically(path, buffer.getvalue())


def load_style(path: str | os.PathLike[str]) -> EncodedStyle:
    """Reads what `save_style` wrote.

    Raises:
        ImageError: it cannot be read, or holds something else.
    """
    try:
        with np.load(io.BytesIO(pathlib.Path(path).read_bytes()), allow_pickle=False) as archive:
            return _checked_style({name: archive[name] for name in _STYLE_INPUTS})
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise errors.ImageError(
            f"{os.fspath(path)}: an encoded style must be a file of nst-tf client --save_style. Received: "
            f"{errors.one_line(error)}. Encode the style again."
        ) from error


def load(content: inputs.Source, style: "inputs.Source | Style | None", config: configs.ClientConfig) -> Pictures:
    """Reads the pictures of a request at the sizes they are sent at; those of `stylize`, before any server is asked."""
    return Pictures(_loaded(content, config.max_side_px), _loaded_style(style, config))


def _loaded_style(
    style: "inputs.Source | Style | None", config: configs.ClientConfig
) -> "images.Picture | Style | None":
    """What is sent of a style: a picture at its size, or what stands for one; None for a bundle that has its own."""
    if style is None or isinstance(style, Style):
        return style
    if isinstance(style, str | os.PathLike):
        path = pathlib.Path(style)
        if str(style).startswith(known_styles.PREFIX):
            return NamedStyle(str(style))
        if path.suffix.lower() == style_files.SUFFIX:
            return LearnedStyle(*style_files.read(path).at(None))
        if path.suffix == STYLE_SUFFIX:
            return load_style(path)
    side_px = config.style_max_side_px or config.max_side_px
    return _loaded(style, side_px, min_side_px=_STYLE_MIN_SIDE_PX)


def predict(
    pictures: transport.Values,
    config: configs.ClientConfig,
    signature: str = transport.SIGNATURE,
) -> dict[str, list[Any]]:
    """Sends encoded pictures with the settings of the request, and again while the server is not available.

    Args:
        pictures: input name -> one JPEG or PNG, or the numbers of a style, for each element of the batch.
        config: the server and the settings, which hold for each element.
        signature: the one to run.

    Returns:
        Output name -> one item for each element; bytes where the name ends in `_bytes`.

    Raises:
        ServingError: see `stylize`.
    """
    way = grpc_transport.Grpc(config) if config.transport == "grpc" else rest_transport.Rest(config)
    deadline = time.monotonic() + config.timeout_s
    taken = _retried(lambda timeout_s: way.inputs(signature, timeout_s), config, deadline)
    if not taken:
        raise errors.ServingError(
            f"{config.model} must have the signature {signature}. Received: a model without it. Only bundles of "
            "--method=adain and multi-style that were exported without --style have encode_style and apply_style; "
            "stylize_blend and stylize_regions are left out by --several_styles=false."
        )
    batch = len(next(iter(pictures.values())))
    settings = _settings(config, taken)
    values = dict(pictures) | {name: [value] * batch for name, value in settings.items()}
    if set(values) != taken:
        raise errors.ServingError(
            f"{config.model} takes {', '.join(sorted(taken))}. Received: {', '.join(sorted(values))}. "
            "Give what is missing, and leave out what it does not take."
        )
    return _retried(lambda timeout_s: way.predict(signature, values, timeout_s), config, deadline)


def _loaded(source: inputs.Source, max_side_px: int, *, min_side_px: int = 0) -> images.Picture:
    return inputs.read_picture(source, "picture", max_side_px, min_side_px=min_side_px)


def _checked_style(parts: dict[str, np.ndarray]) -> EncodedStyle:
    """A style of two vectors of one length; a ValueError otherwise."""
    shapes = {part.shape for part in parts.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or not all(np.isfinite(part).all() for part in parts.values()):
        raise ValueError("other arrays than two vectors of one length with finite values")
    return EncodedStyle(**{name: part.astype(np.float32) for name, part in parts.items()})


def _settings(config: configs.ClientConfig, taken: set[str]) -> dict[str, Any]:
    """The settings that a model takes and those that were given."""
    defaults = {name: getattr(configs.StyleTransferConfig(), name) for name in ("steps", "content_weight", "seed")}
    defaults["style_strength"] = configs.AdainConfig.strength
    found = {name: getattr(config, name) for name in defaults}
    settings = {name: value for name, value in found.items() if value is not None}
    settings |= {name: defaults[name] for name in taken.intersection(defaults) - set(settings)}
    if "max_side_px" in taken:
        settings["max_side_px"] = config.max_side_px
    return settings


def _retried(call: Callable[[float], Any], config: configs.ClientConfig, deadline: float) -> Any:
    """Makes a call, and makes it again while the server is not available."""
    retry = 0
    while True:
        try:
            return call(max(deadline - time.monotonic(), 0.001))
        except transport.Unavailable as error:
            wait_s = _FIRST_WAIT_S * 2**retry
            if retry == config.retries or time.monotonic() + wait_s >= deadline:
                raise errors.ServingError(
                    f"{config.server}: the server cannot be reached over {config.transport}, attempts made: "
                    f"{retry + 1}. Received: {errors.one_line(error)}. Check --server, --transport, and that it runs."
                ) from error
            time.sleep(wait_s)
            retry += 1
