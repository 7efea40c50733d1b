"""The pictures of a run: read, scaled and checked before any work starts. Imports no TensorFlow."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from nst_tf import configs, errors, images, samples

Source = Any  # a path, `sample:NAME`, an images.Picture, an array or a tensor


class Inputs(NamedTuple):
    """The pictures of one run, at the sizes the run works at."""

    content: images.Picture
    styles: tuple[images.Picture, ...]
    start: images.Picture | None  # where config.initialisation names a file

    @property
    def notes(self) -> list[str]:
        """What reading the pictures was worth telling, each line with the picture's name."""
        pictures = (self.content, *self.styles, *([self.start] if self.start else []))
        return [f"{picture.name}: {note}" for picture in pictures for note in picture.notes]

    @property
    def identities(self) -> tuple[dict[str, Any], ...]:
        """Name, hash and working size of each picture, the content first, fit for JSON."""
        pictures = (self.content, *self.styles, *([self.start] if self.start else []))
        names = ("name", "sha256", "width_px", "height_px")
        return tuple({name: getattr(picture, name) for name in names} for picture in pictures)


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
    sources = list(style) if isinstance(style, (list, tuple)) else [style]
    if not sources:
        raise errors.ImageError("at least one style picture is needed. Received: none.")
    if config.style_blend and len(config.style_blend) != len(sources):
        raise errors.ConfigError(
            f"style_blend needs one share for each of the {len(sources)} style pictures. "
            f"Received: {len(config.style_blend)}."
        )
    content_picture = _read(content, "content", config.max_side_px, config.layers)
    style_side_px = config.style_max_side_px or max(content_picture.height_px, content_picture.width_px)
    style_layers = config.style_layers or config.layers
    styles = tuple(_read(source, "style", style_side_px, style_layers) for source in sources)
    start = None
    if config.initialisation not in configs.STARTS:
        start = _read(config.initialisation, "start", config.max_side_px, ())
    return Inputs(content_picture, styles, start)


def read_picture(source: Source, name: str, max_side_px: int) -> images.Picture:
    """Reads one picture as `read` does; name is what messages call an array."""
    return _read(source, name, max_side_px, ())


def _read(source: Source, name: str, max_side_px: int, layers: Sequence[str]) -> images.Picture:
    if isinstance(source, str):
        source = samples.resolve(source)
    if isinstance(source, images.Picture):
        picture = images.scaled(source, max_side_px)
    elif hasattr(source, "shape") or isinstance(source, list):
        pixels = images.from_array(source, name=name)
        digest = hashlib.sha256(pixels.tobytes()).hexdigest()
        picture = images.scaled(images.Picture(pixels=pixels, alpha=None, sha256=digest, name=name), max_side_px)
    else:
        picture = images.load(source, max_side_px=max_side_px)
    if layers:
        _check_size(picture, max(layers, key=configs.LAYERS.index))
    return picture


def _check_size(picture: images.Picture, deepest: str) -> None:
    """Refuses a picture of which nothing is left at the deepest layer."""
    need_px = 2 ** (configs.block(deepest) - 1)
    if min(picture.height_px, picture.width_px) < need_px:
        raise errors.ImageError(
            f"{picture.name}: the shorter side must be at least {need_px} px for {deepest}. Received: "
            f"{picture.width_px} x {picture.height_px} px. Use a larger picture or size, or a shallower layer."
        )
