"""Which learned style a name means: one of the network's own, one that comes with the package, or a file.

Imports no TensorFlow.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from nst_tf import configs, errors
from nst_tf.weights import multi_style, paintings, style_files

AUTO, PAINTINGS = "auto", "paintings"  # what --network_file may be, beside `multi_style.MAGENTA` and a file
PREFIX = "style:"
_MOST_DIGITS = 6


class Known(NamedTuple):
    """One of the styles that come with the network, by its number."""

    number: int


Source = str | os.PathLike[str] | Known | style_files.StyleFile


def is_learned(source: object) -> bool:
    """Whether a source can be nothing but a learned style: `style:...`, or the path of a style's file."""
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
    return isinstance(name, str) and (
        name.startswith(PREFIX) or pathlib.PurePath(name).suffix.lower() == style_files.SUFFIX
    )


def check_pictures(style: object) -> None:
    """Refuses learned styles where paintings are taken.

    Raises:
        StyleError: one of the styles is a learned one.
    """
    for source in style if isinstance(style, (list, tuple)) else (style,):
        if is_learned(source) or isinstance(source, (Known, style_files.StyleFile)):
            received = source if isinstance(source, (str, os.PathLike)) else type(source).__name__
            raise errors.StyleError(
                f"{received}: this method takes the style from a picture. Received: a learned style. Use "
                "nst_tf.MultiStyleTransfer or OneStyleTransfer (--method=multi-style, one-style), or give the painting."
            )


def read(
    style: Source | Sequence[Source], config: configs.MultiStyleConfig
) -> tuple[Known | style_files.StyleFile, ...]:
    """Finds and reads styles, without the network.

    Args:
        style: `style:7` for one of the network's own, `style:NAME` or, where no file has that name, NAME for one that
            comes with the package, the path of a file that `nst-tf train` wrote, or what this function returned; or
            several.
        config: style_blend.

    Raises:
        StyleError: there is no such style, its file is damaged, or it is a picture.
        ConfigError: style_blend has another length than the styles.
    """
    is_one = isinstance(style, Known) or not isinstance(style, (list, tuple))
    sources: Sequence[Any] = [style] if is_one else style  # type: ignore[assignment]
    if not sources:
        raise errors.StyleError("at least one style is needed. Received: none.")
    if config.style_blend and len(config.style_blend) != len(sources):
        raise errors.ConfigError(
            f"style_blend needs one share for each of the {len(sources)} styles. Received: {len(config.style_blend)}."
        )
    return tuple(_read(source) for source in sources)


def network_of(styles: Sequence[Known | style_files.StyleFile], network_file: str) -> str:
    """The network that draws some styles, as `networks.multi_style.load` takes it.

    Args:
        styles: as `read` returns them; none for a network whose styles are chosen later.
        network_file: a network that was chosen, which is kept; for `auto` it is the network of the shipped styles for
            those and for what was learned with it, and without any style; Magenta's for all others.

    Raises:
        StyleError: the styles belong to both.
    """
    if network_file != AUTO:
        return network_file
    are_paintings = {isinstance(s, style_files.StyleFile) and s.network_sha256 == paintings.SHA256 for s in styles}
    if len(are_paintings) > 1:
        names = " and ".join(f"{PREFIX}{s.number}" if isinstance(s, Known) else s.name for s in styles)
        raise errors.StyleError(
            f"styles that are used together must belong to one network. Received: {names}, of two networks. Blend "
            f"shipped styles ({', '.join(style_files.shipped_names())}) with each other, or numbers with each other."
        )
    return PAINTINGS if are_paintings != {False} else multi_style.MAGENTA


def read_with_network(style: Source | Sequence[Source]) -> style_files.StyleFile:
    """Finds and reads a style that has a network of its own.

    Raises:
        StyleError: there is none, its file is damaged, several were given, or it belongs to a network of many styles.
    """
    sources = style if isinstance(style, (list, tuple)) and not isinstance(style, Known) else (style,)
    if len(sources) != 1:
        raise errors.StyleError(
            f"one-style draws in one style, its network's. Received: {len(sources)} styles. Give one of them."
        )
    found = _read(sources[0])
    if isinstance(found, Known) or found.kernels is None:
        raise errors.StyleError(
            f"{sources[0]}: one-style needs a style with a network of its own. Received: one of multi-style's. Use "
            "--method=multi-style, or train one with `nst-tf train --architecture=one-style`."
        )
    return found


def method_of(style: Source) -> str:
    """The method that draws a learned style, as `--method` takes it.

    Raises:
        StyleError: there is no such style, or its file is damaged.
    """
    found = _read(style)
    return "multi-style" if isinstance(found, Known) else found.method


def _read(source: Any) -> Known | style_files.StyleFile:
    if isinstance(source, (Known, style_files.StyleFile)):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise _no_style(f"a {type(source).__name__}")
    name = str(os.fspath(source))
    if name.startswith(PREFIX):
        chosen = name.removeprefix(PREFIX)
        if chosen.isascii() and chosen.isdecimal() and len(chosen) <= _MOST_DIGITS:
            return Known(int(chosen))
        return style_files.shipped(chosen)
    if name in style_files.shipped_names() and not pathlib.Path(name).exists():
        return style_files.shipped(name)
    if is_learned(name):
        return style_files.read(name)
    raise _no_style(name)


def _no_style(received: str) -> errors.StyleError:
    names = ", ".join(f"{PREFIX}{name}" for name in (*style_files.shipped_names(), "0", "1"))
    return errors.StyleError(
        f"multi-style takes styles that were learned: {names} and so on, or a {style_files.SUFFIX} file. "
        f"Received: {received}. Learn a painting's style with `nst-tf train --style=painting.jpg "
        f"--output=painting{style_files.SUFFIX}`, or use --method=adain or gatys, which take any picture."
    )
