"""What the controls of a run do to its pictures before a network sees them, and to its result after."""

import dataclasses
from typing import Any

import numpy as np

from nst_tf.pictures import colours, images, inputs, masks


def before(pictures: inputs.Inputs, config: Any) -> inputs.Inputs:
    """The pictures as a network is to see them.

    Args:
        pictures: as they were read, with `transparency.straight` colours and their masks.
        config: colours and colour_map, whatever the method.
    """
    if config.colours == "style":
        return pictures
    content = pictures.content
    shares = masks.shares(pictures)
    styles = []
    for number, (style, weights) in enumerate(zip(pictures.styles, masks.style_weights(pictures), strict=True)):
        region = None if shares is None else shares[..., [number if pictures.masks else 0]]
        if config.colours == "content":
            matched = colours.match(
                style.pixels, content.pixels, config.colour_map, weights=weights, like_weights=region
            )
        else:
            matched = colours.grey_like(style.pixels, content.pixels, weights=weights, like_weights=region)
        styles.append(_with_pixels(style, matched))
    pictures = pictures._replace(styles=tuple(styles))
    if config.colours == "content":
        return pictures
    start, photograph = (
        picture and _with_pixels(picture, colours.grey(picture.pixels))
        for picture in (pictures.start, pictures.photograph)
    )
    content = _with_pixels(content, colours.grey(content.pixels))
    return pictures._replace(content=content, start=start, photograph=photograph)


def after(image: np.ndarray, content: images.Picture, config: Any) -> np.ndarray:
    """What a network made of the pictures of `before`, with the chroma of the content where only luma was stylised.

    Args:
        image: float32 [1, H, W, 3] in [0, 1].
        content: as it was read, of whatever size.
        config: colours.
    """
    if config.colours != "luminance":
        return image
    return colours.with_luma(inputs.at_size(content.pixels, *image.shape[1:3]), image)


def with_kept(image: np.ndarray, content: images.Picture, share: np.ndarray | None) -> np.ndarray:
    """An image with what is kept of the content put back: share content + (1 - share) image.

    Args:
        image: float32 [1, H, W, 3] in [0, 1].
        content: as it was read, of whatever size.
        share: float32 [1, h, w, 1] in [0, 1], as `masks.kept` gives it; None keeps nothing.
    """
    if share is None:
        return image
    share, own = (inputs.at_size(pixels, *image.shape[1:3]) for pixels in (share, content.pixels))
    return share * own + (1 - share) * image


def of_result(image: np.ndarray, content: images.Picture, config: Any) -> np.ndarray:
    """The same control for a network whose style is no picture: it is the result that takes the content's colours.

    Args:
        image: float32 [1, H, W, 3] in [0, 1], of the content's size.
        content: as it was read.
        config: colours and colour_map.
    """
    shares = {"weights": content.alpha, "like_weights": content.alpha}
    if config.colours == "content":
        return colours.match(image, content.pixels, config.colour_map, **shares)
    if config.colours == "luminance":
        return colours.with_luma(content.pixels, colours.grey_like(image, content.pixels, **shares))
    return image


def blended(content: np.ndarray, image: np.ndarray, strength: float) -> np.ndarray:
    """The control of strength for a network that has no path to the content: (1 - strength) content + strength image.

    Args:
        content: float32 [1, H, W, 3] in [0, 1].
        image: the same shape; returned as it is at strength 1.
        strength: 0 to 1.
    """
    return image if strength == 1 else (content + np.float32(strength) * (image - content)).clip(0, 1)


def _with_pixels(picture: images.Picture, pixels: np.ndarray) -> images.Picture:
    return dataclasses.replace(picture, pixels=pixels)
