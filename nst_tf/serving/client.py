"""A client of a served bundle, over gRPC or REST. REST needs no TensorFlow here.

The client does for pictures what a graph does not: EXIF orientation, ICC profiles, transparency.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from nst_tf import configs, errors, vgg
from nst_tf.pictures import images, inputs
from nst_tf.serving import grpc_transport, rest_transport, transport

_FIRST_WAIT_S = 0.5
_STYLE_MIN_SIDE_PX = vgg.stride_px(*vgg.LAYERS)  # of which something is left at every layer that a bundle may have


class Pictures(NamedTuple):
    """The pictures of a request."""

    content: images.Picture
    style: images.Picture | None


def stylize(
    content: inputs.Source, style: inputs.Source | None, config: configs.ClientConfig | None = None
) -> images.Picture:
    """Has a server render a picture in the style of another.

    Args:
        content: a path, `sample:NAME` or an `images.Picture`.
        style: the same; None for a bundle that has its style inside.
        config: the server and the settings of the request.

    Returns:
        The result, with the content picture's transparency.

    Raises:
        ServingError: the server cannot be reached, does not answer in time, or refuses; the message says which.
        ImageError: a picture that cannot be read.
    """
    config = configs.as_config(config, configs.ClientConfig)
    picture, style_picture = load(content, style, config)
    values = {"content_bytes": [images.encode(picture.pixels, ".png")]}
    if style_picture is not None:
        values["style_bytes"] = [images.encode(style_picture.pixels, ".png")]
    outputs = predict(values, config)
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


def load(content: inputs.Source, style: inputs.Source | None, config: configs.ClientConfig) -> Pictures:
    """Reads the pictures of a request at the sizes they are sent at; those of `stylize`, before any server is asked."""
    side_px = config.style_max_side_px or config.max_side_px
    picture = _loaded(content, config.max_side_px)
    return Pictures(picture, None if style is None else _loaded(style, side_px, min_side_px=_STYLE_MIN_SIDE_PX))


def predict(pictures: transport.Values, config: configs.ClientConfig) -> dict[str, list[Any]]:
    """Sends encoded pictures with the settings of the request, and again while the server is not available.

    Args:
        pictures: input name -> one JPEG or PNG for each element of the batch.
        config: the server and the settings, which hold for each element.

    Returns:
        Output name -> one item for each element; bytes where the name ends in `_bytes`.

    Raises:
        ServingError: see `stylize`.
    """
    way = grpc_transport.Grpc(config) if config.transport == "grpc" else rest_transport.Rest(config)
    deadline = time.monotonic() + config.timeout_s
    taken = _retried(way.signature, config, deadline)
    batch = len(next(iter(pictures.values())))
    values = dict(pictures) | {name: [value] * batch for name, value in _settings(config, taken).items()}
    if set(values) != taken:
        raise errors.ServingError(
            f"{config.model} takes {', '.join(sorted(taken))}. Received: {', '.join(sorted(values))}. "
            "Give what is missing, and leave out what it does not take."
        )
    return _retried(lambda timeout_s: way.predict(values, timeout_s), config, deadline)


def _loaded(source: inputs.Source, max_side_px: int, *, min_side_px: int = 0) -> images.Picture:
    return inputs.read_picture(source, "picture", max_side_px, min_side_px=min_side_px)


def _settings(config: configs.ClientConfig, taken: set[str]) -> dict[str, Any]:
    """The settings that a model takes and those that were given."""
    defaults = {name: getattr(configs.StyleTransferConfig, name) for name in ("steps", "content_weight", "seed")}
    defaults["style_strength"] = configs.AdainConfig.style_strength
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
