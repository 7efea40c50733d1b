"""What the controls of a run do to its pictures before a network sees them, and to its result after."""

import dataclasses
from typing import Any

import numpy as np

from nst_tf.pictures import colours, images, inputs


def before(pictures: inputs.Inputs, config: Any) -> inputs.Inputs:
    """The pictures as a network is to see them.

    Args:
        pictures: as they were read.
        config: colours and colour_map, whatever the method.
    """
    content = pictures.content
    if config.colours == "content":
        styles = tuple(
            _with_pixels(
                style,
                colours.match(
                    style.pixels,
                    content.pixels,
                    config.colour_map,
                    weights=style.alpha,
                    like_weights=content.alpha,
                ),
            )
            for style in pictures.styles
        )
        return pictures._replace(styles=styles)
    if config.colours == "luminance":
        styles = tuple(
            _with_pixels(
                style,
                colours.grey_like(style.pixels, content.pixels, weights=style.alpha, like_weights=content.alpha),
            )
            for style in pictures.styles
        )
        start = pictures.start and _with_pixels(pictures.start, colours.grey(pictures.start.pixels))
        content = _with_pixels(content, colours.grey(content.pixels))
        photograph = pictures.photograph and _with_pixels(pictures.photograph, colours.grey(pictures.photograph.pixels))
        return pictures._replace(content=content, styles=styles, start=start, photograph=photograph)
    return pictures


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
