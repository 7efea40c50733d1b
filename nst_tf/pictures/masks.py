"""Masks of a run: where each style goes, where it is taken from, and what is kept. Imports no TensorFlow."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nst_tf import errors
from nst_tf.pictures import images, inputs

LEAST_WHITE = 0.5  # of a mask's brightest pixel: one without any is taken for a mistake


class Given(NamedTuple):
    """The masks of a run as a caller has them, each in one of the forms of a picture: white is here, black is not."""

    styles: Sequence[inputs.Source] = ()  # of the content picture, one for each style: where the style goes
    own: Sequence[inputs.Source] = ()  # of the style pictures, one for each: where the style is taken from
    keep: inputs.Source | None = None  # of the content picture: what stays as it is


def read(pictures: inputs.Inputs, given: Given, style_blend: Sequence[float] = ()) -> inputs.Inputs:
    """The pictures of a run with its masks, each scaled to the picture that it belongs to.

    Args:
        pictures: content and styles as they were read.
        given: the masks.
        style_blend: the shares of the styles, where they are given.

    Raises:
        ImageError: a mask that cannot be read, has another aspect ratio than its picture or no white pixel; a style
            of which its mask leaves nothing, or a content that is kept whole.
        ConfigError: another number of masks than of styles, or shares beside masks.
    """
    check(given, len(pictures.styles), style_blend)
    own = [
        _read(mask, style, "the style picture's", "the style is to be taken from")
        for mask, style in zip(given.own, pictures.styles, strict=bool(given.own))
    ]
    for mask, style in zip(own, pictures.styles, strict=bool(own)):
        if style.alpha is not None and not (plane(mask) * style.alpha).any():
            raise errors.ImageError(
                f"{mask.name}: the white of a mask must lie where {style.name} is not transparent. Received: none that "
                "does. Paint white what the style is to be taken from."
            )
    return read_content_masks(pictures, given)._replace(own_masks=tuple(own))


def read_content_masks(pictures: inputs.Inputs, given: Given) -> inputs.Inputs:
    """The pictures with the masks of the content picture alone, for styles that are no pictures; see `read`."""
    content = pictures.content
    regions = tuple(_read(mask, content, "the content's", "the style is to go") for mask in given.styles)
    keep = None
    if given.keep is not None:
        keep = _read(given.keep, content, "the content's", "the content is to stay")
        if plane(keep).min() == 1:
            raise errors.ImageError(
                f"{keep.name}: keep_mask must leave something to stylise. Received: a mask that is white everywhere. "
                "Paint black what is to change."
            )
    return pictures._replace(masks=regions, keep=keep)


def check(given: Given, styles: int, style_blend: Sequence[float]) -> None:
    """Refuses masks that do not fit the styles.

    Raises:
        ConfigError: another number of masks than of styles, or shares beside masks.
    """
    for name, masks in (("style_masks", given.styles), ("style_own_masks", given.own)):
        if masks and len(masks) != styles:
            raise errors.ConfigError(
                f"{name} needs one mask for each of the {styles} style pictures. Received: {len(masks)}."
            )
    if given.styles and style_blend:
        raise errors.ConfigError(
            "style_masks and style_blend exclude each other. Received: both. Let grey in the masks say the shares."
        )


def plane(mask: images.Picture) -> np.ndarray:
    """How much is here: float32 [1, H, W, 1] in [0, 1]."""
    return mask.pixels.mean(axis=-1, keepdims=True)


def shares(pictures: inputs.Inputs) -> np.ndarray | None:
    """How much of each style goes where, float32 [1, H, W, K] in [0, 1], which adds up to at most 1.

    Masks that overlap share what they overlap on; transparent pixels of the content take nothing. None without masks
    and transparency: the styles go everywhere. Without masks K is 1, for all styles together.
    """
    content = pictures.content
    if not pictures.masks and content.alpha is None:
        return None
    planes = [plane(mask) for mask in pictures.masks] or [np.ones_like(content.alpha)]
    stacked = np.concatenate(planes, axis=-1)
    stacked /= np.maximum(stacked.sum(axis=-1, keepdims=True), 1)
    return stacked if content.alpha is None else stacked * content.alpha


def free_shares(pictures: inputs.Inputs) -> np.ndarray:
    """The same as `shares`, with ones where that is None, less what is kept of the content."""
    found = shares(pictures)
    if found is None:
        found = np.ones([1, pictures.content.height_px, pictures.content.width_px, 1], np.float32)
    return found if pictures.keep is None else found * (1 - plane(pictures.keep))


def style_weights(pictures: inputs.Inputs) -> tuple[np.ndarray, ...]:
    """How much each pixel of each style picture counts: float32 [1, H, W, 1] in [0, 1]."""
    weights = [np.ones_like(style.pixels[..., :1]) if style.alpha is None else style.alpha for style in pictures.styles]
    own = [plane(mask) for mask in pictures.own_masks] or [np.float32(1)] * len(weights)
    return tuple(weight * mask for weight, mask in zip(weights, own, strict=True))


def kept(pictures: inputs.Inputs, *, with_uncovered: bool) -> np.ndarray | None:
    """How much of each pixel stays the content's, float32 [1, H, W, 1] in [0, 1]; None where nothing does.

    Args:
        pictures: with their masks.
        with_uncovered: whether what no style's mask covers stays, and what is fully transparent, beside what keep_mask
            says.
    """
    changed = np.ones([1, pictures.content.height_px, pictures.content.width_px, 1], np.float32)
    if pictures.keep is not None:
        changed *= 1 - plane(pictures.keep)
    if with_uncovered and pictures.masks:
        changed *= np.minimum(sum(plane(mask) for mask in pictures.masks), 1)
    if with_uncovered and pictures.content.alpha is not None:
        changed *= pictures.content.alpha > 0
    return None if changed.min() == 1 else 1 - changed


def _read(source: inputs.Source, picture: images.Picture, whose: str, where: str) -> images.Picture:
    mask = inputs.read_picture(source, "mask", None)
    if not inputs.has_aspect(mask, picture):
        raise errors.ImageError(
            f"{mask.name}: a mask must have {whose} aspect ratio. Received: {mask.width_px} x {mask.height_px} px for "
            f"{picture.width_px} x {picture.height_px} px. Make it from that picture."
        )
    values = mask.pixels
    if mask.alpha is not None:  # pictures lie on white; of a mask, what is transparent is not here
        values = (values - (1 - mask.alpha)).clip(0, 1)
    pixels = images.resize(values, picture.height_px, picture.width_px)
    brightest = float(pixels.mean(axis=-1).max())
    if brightest < LEAST_WHITE:
        raise errors.ImageError(
            f"{mask.name}: a mask must have white pixels where {where}. Received: none brighter than {brightest:.2f} "
            "of white. Paint that region white."
        )
    return dataclasses.replace(mask, pixels=pixels, alpha=None)
