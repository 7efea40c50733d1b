"""The pictures of a run: read, scaled and checked before any work starts. Imports no TensorFlow."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nst_tf import configs, errors, vgg
from nst_tf.pictures import images, samples

Source = Any  # a path, `sample:NAME`, an images.Picture, an array, a tensor or a Pillow image


class Inputs(NamedTuple):
    """The pictures of one run, at the sizes the run works at."""

    content: images.Picture
    styles: tuple[images.Picture, ...]
    start: images.Picture | None = None  # where config.initialisation names a file
    masks: tuple[images.Picture, ...] = ()  # of the content's size: none, or one for each style
    photograph: images.Picture | None = None  # the content at its own size, where config.full_size wants it
    own_masks: tuple[images.Picture, ...] = ()  # of each style's size: none, or one for each
    keep: images.Picture | None = None  # of the content's size

    @property
    def notes(self) -> list[str]:
        """What the user should know of the pictures, each line with the picture's name."""
        return [f"{picture.name}: {note}" for picture in self._pictures for note in picture.notes]

    @property
    def identities(self) -> tuple[dict[str, Any], ...]:
        """Name, hash and working size of each picture, the content first, fit for JSON."""
        names = ("name", "sha256", "width_px", "height_px")
        return tuple({name: getattr(picture, name) for name in names} for picture in self._pictures)

    @property
    def _pictures(self) -> tuple[images.Picture, ...]:
        start, keep = ((picture,) if picture else () for picture in (self.start, self.keep))
        return (self.content, *self.styles, *start, *self.masks, *self.own_masks, *keep)


class _Need(NamedTuple):
    """How large a picture must be for what is to be done with it."""

    side_px: int
    user: str  # what needs it
    fix: str


_ADAIN_NEED = _Need(9, "AdaIN", "Use a larger picture or size.")  # two rows and columns of features, for reflection
ASPECT_TOLERANCE = 0.02  # of a mask's or a judged picture's width; rounding a side to pixels costs at most one


def read(content: Source, style: Source | Sequence[Source], config: configs.StyleTransferConfig) -> Inputs:
    """Reads the pictures of a run.

    Args:
        content: a path, `sample:NAME`, an `images.Picture`, or an array or tensor as `images.from_array` takes it.
        style: the same, or a list or tuple of several.
        config: max_side_px, style_max_side_px, initialisation and the layers. Pictures are scaled down to the sizes,
            never up.

    Raises:
        ImageError: a picture that cannot be read, or that is smaller than the deepest layer needs.
        ConfigError: style_blend has another length than the styles.
    """
    photograph = read_picture(content, "content", None) if config.full_size else None
    content = content if photograph is None else photograph
    content_picture, styles = _read_pair(content, style, config, _need(config), _style_need(config))
    if config.fine_style:
        _check_size(read_picture(config.fine_style, "fine style", config.max_side_px), _style_need(config))
    start = None
    if config.initialisation not in configs.STARTS:
        _check_start(config.initialisation)
        start = _noted_aspect(read_picture(config.initialisation, "start", config.max_side_px), content_picture)
    return Inputs(content_picture, styles, start, photograph=photograph)


def read_one_pass(content: Source, style: Source | Sequence[Source], config: configs.AdainConfig) -> Inputs:
    """Reads the pictures of a stylisation in one pass.

    Args:
        content: as for `read`.
        style: as for `read`.
        config: max_side_px, style_max_side_px and style_blend.

    Raises:
        ImageError: a picture that cannot be read or is too small.
        ConfigError: another number of shares than of styles.
    """
    return Inputs(*_read_pair(content, style, config, _ADAIN_NEED, _ADAIN_NEED))


def read_judged(
    content: Source,
    style: Source | Sequence[Source],
    judged: Sequence[Source],
    config: configs.StyleTransferConfig,
) -> tuple[tuple[images.Picture, Inputs], ...]:
    """Reads pictures to be judged, each with the content and the styles at its own size.

    Args:
        content: as for `read`.
        style: as for `read`.
        judged: one or more, as for `read`; kept at their sizes.
        config: as for `read`; its max_side_px is that of each picture.

    Raises:
        ImageError: a picture that cannot be read or is too small, or a judged one of another aspect ratio.
        ConfigError: style_blend has another length than the styles.
    """
    if not judged:
        raise errors.ImageError("at least one picture to judge is needed. Received: none.")
    by_size: dict[tuple[int, int], Inputs] = {}
    pairs = []
    for number, source in enumerate(judged, 1):
        picture = read_picture(source, f"image {number}", None)
        _check_size(picture, _need(config))
        size = (picture.height_px, picture.width_px)
        if size not in by_size:
            pictures = read(content, style, dataclasses.replace(config, max_side_px=max(size)))
            _check_aspect(picture, pictures.content)
            resized = dataclasses.replace(pictures.content, pixels=images.resize(pictures.content.pixels, *size))
            by_size[size] = pictures._replace(content=resized)
        pairs.append((picture, by_size[size]))
    return tuple(pairs)


def _read_pair(
    content: Source,
    style: Source | Sequence[Source],
    config: configs.StyleTransferConfig | configs.AdainConfig,
    content_need: _Need,
    style_need: _Need,
) -> tuple[images.Picture, tuple[images.Picture, ...]]:
    sources = list(style) if isinstance(style, (list, tuple)) else [style]
    check_styles(sources, config.style_blend)
    content_picture = read_picture(content, "content", config.max_side_px)
    _check_size(content_picture, content_need)
    sides_px = style_sides_px(config.style_max_side_px, len(sources), max(content_picture.pixels.shape[1:3]))
    styles = tuple(
        read_picture(source, "style", side_px, min_side_px=style_need.side_px)
        for source, side_px in zip(sources, sides_px, strict=True)
    )
    for picture in styles:
        _check_size(picture, style_need)
    return content_picture, styles


def check_styles(styles: Sequence[Source], blend: Sequence[float]) -> None:
    """Refuses no style at all, and another number of shares than of styles.

    Raises:
        ImageError: there is no style.
        ConfigError: style_blend has another length than the styles.
    """
    if not styles:
        raise errors.ImageError("at least one style picture is needed. Received: none.")
    if blend and len(blend) != len(styles):
        raise errors.ConfigError(
            f"style_blend needs one share for each of the {len(styles)} style pictures. Received: {len(blend)}."
        )


def style_sides_px(given: int | tuple[int, ...] | None, styles: int, default_px: int) -> tuple[int, ...]:
    """The long side at which each style picture is read.

    Args:
        given: one for all, one for each, or None for the default.
        styles: how many there are.
        default_px: such as the content's.

    Raises:
        ConfigError: another number of sizes than of styles.
    """
    if not isinstance(given, tuple):
        return (given or default_px,) * styles
    if len(given) != styles:
        raise errors.ConfigError(
            f"style_max_side_px (--style_size) needs one size, or one for each of the {styles} style pictures. "
            f"Received: {len(given)}."
        )
    return given


def _check_start(path: str) -> None:
    """Answers a start's mistyped name, which would be read as a path that does not exist."""
    if not os.path.dirname(path) and not path.startswith(samples.PREFIX) and not os.path.exists(path):
        raise errors.ImageError(
            f"initialisation must be {', '.join(configs.STARTS)} or the path of a picture. Received: {path!r}, which "
            f"is no file here.{errors.did_you_mean(path, configs.STARTS) or ' Check the path.'}"
        )


def _noted_aspect(start: images.Picture, content: images.Picture) -> images.Picture:
    """A start picture, with a note where it will be stretched or squeezed."""
    if has_aspect(start, content):
        return start
    note = f"stretched to the content's {content.width_px} x {content.height_px} px, which is another aspect ratio"
    return dataclasses.replace(start, notes=(*start.notes, note))


def has_aspect(picture: images.Picture, content: images.Picture) -> bool:
    """Whether a picture has another's aspect ratio, up to the rounding of sides to pixels."""
    expected_px = content.width_px / content.height_px * picture.height_px
    return abs(picture.width_px - expected_px) <= max(1.0, ASPECT_TOLERANCE * expected_px)


def _check_aspect(picture: images.Picture, content: images.Picture) -> None:
    if not has_aspect(picture, content):
        raise errors.ImageError(
            f"{picture.name}: a judged picture must have the content's aspect ratio. Received: {picture.width_px} x "
            f"{picture.height_px} px for {content.width_px} x {content.height_px} px. Make it from the content picture."
        )


def read_picture_for_one_pass(source: Source, name: str, max_side_px: int) -> images.Picture:
    """Reads one picture as `read_picture` does, and refuses it where it is too small for `read_one_pass`."""
    picture = read_picture(source, name, max_side_px)
    _check_size(picture, _ADAIN_NEED)
    return picture


def read_style_for_one_pass(source: Source, name: str, max_side_px: int) -> images.Picture:
    """The same for a style, which is read no smaller than the network needs."""
    picture = read_picture(source, name, max_side_px, min_side_px=_ADAIN_NEED.side_px)
    _check_size(picture, _ADAIN_NEED)
    return picture


def read_picture(source: Source, name: str, max_side_px: int | None, *, min_side_px: int = 0) -> images.Picture:
    """Reads one picture, scaled down as by `images.fit`, never up; name is what messages call an array."""
    if isinstance(source, images.Picture):
        return source if max_side_px is None else images.scaled(source, max_side_px, min_side_px)
    if hasattr(source, "shape") or isinstance(source, list):
        pixels = images.from_array(source, name=name)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        picture = images.Picture(pixels=pixels, alpha=None, sha256=digest, name=name)
        return read_picture(picture, name, max_side_px, min_side_px=min_side_px)
    named = None if isinstance(source, (str, os.PathLike)) else name
    return images.load(source, max_side_px=max_side_px, min_side_px=min_side_px, name=named)


def _need(config: configs.StyleTransferConfig) -> _Need:
    """A picture of which something is left at the deepest layer, and a patch where patches are compared."""
    return _need_of(config.side_px, config.layers, config)


def _style_need(config: configs.StyleTransferConfig) -> _Need:
    return _need_of(config.style_side_px, config.style_taps or config.layers, config)


def _need_of(side_px: int, layers: Sequence[str], config: configs.StyleTransferConfig) -> _Need:
    deepest = max(layers, key=vgg.LAYERS.index)
    is_patch = side_px > vgg.stride_px(deepest)
    user = f"patches of {max(config.mrf_layers, key=vgg.LAYERS.index)}" if is_patch else deepest
    return _Need(side_px, user, "Use a larger picture or size, or a shallower layer.")


def _check_size(picture: images.Picture, need: _Need) -> None:
    if min(picture.height_px, picture.width_px) < need.side_px:
        raise errors.ImageError(
            f"{picture.name}: the shorter side must be at least {need.side_px} px for {need.user}. Received: "
            f"{picture.width_px} x {picture.height_px} px. {need.fix}"
        )


def scaled_style(pixels: np.ndarray, scale: float, min_side_px: int) -> np.ndarray:
    """A style's pixels at a fraction of their size, but no smaller than the layers need.

    A Gram matrix is a mean over positions: a small style or a frieze, scaled with a coarse size of the picture, would
    have none left at the deepest layer.
    """
    height, width = pixels.shape[1:3]
    scale = max(scale, min(1.0, min_side_px / min(height, width)))
    return at_size(pixels, max(1, round(height * scale)), max(1, round(width * scale)))


def at_size(pixels: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """Pixels resampled; themselves, not copied, where they have that size: for what only reads them."""
    if pixels.shape[1:3] == (height_px, width_px):
        return pixels
    return images.resize(pixels, height_px, width_px)
