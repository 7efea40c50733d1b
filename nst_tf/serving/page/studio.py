"""The engines of the page: networks are loaded once, and settings go from picture to picture.

Imports TensorFlow at the first use, in the worker's thread, so that the page is there before TensorFlow is.
"""

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from nst_tf import configs, results
from nst_tf.serving.page import orders

_WARM_STYLE = "style:starry-night"
_WARM_SIDE_PX = 64
_MOST_KEPT_PIXELS = 2**22  # 50 MB: the first picture and the walls of eight samples


class Studio:
    """One engine for each method, kept as long as the next order can use its network.

    Every visit starts with the same pictures, so those of samples are drawn once for all; the latest ones are kept.

    Args:
        prepare: called once before TensorFlow is imported.
        engines: engines to start with, by method.
    """

    def __init__(self, *, prepare: Callable[[], None] = lambda: None, engines: dict[str, Any] | None = None) -> None:
        self._prepare = prepare
        self._is_prepared = False
        self._engines = dict(engines or {})
        self._kept: collections.OrderedDict[Any, tuple[results.Result, list[str]]] = collections.OrderedDict()

    def warm_up(self) -> None:
        """Loads TensorFlow and the network of the first picture, and traces it.

        Raises:
            NstError: the network cannot be had.
        """
        self._load_tensorflow()
        grey = np.full([1, _WARM_SIDE_PX, _WARM_SIDE_PX, 3], 0.5, np.float32)
        self._engine("multi-style", configs.MultiStyleConfig())(grey, _WARM_STYLE, on_message=lambda message: None)

    def make(
        self,
        order: orders.Order,
        load: Callable[[str], Any],
        on_report: results.OnReport,
        on_message: Callable[[str], None],
    ) -> results.Result:
        """Makes the picture of an order.

        Args:
            order: the order.
            load: turns a reference into what an engine takes.
            on_report: gets the progress of an optimisation.
            on_message: gets lines for the user.

        Raises:
            NstError: a picture, setting or network is unusable; the message says how to fix it.
        """
        if not order.is_quick or any(reference.startswith(orders.PICTURE) for reference in order.references):
            return self._made(order, load, on_report, on_message)
        key = (order.command, order.config)
        if key not in self._kept:
            said: list[str] = []
            self._keep(key, self._made(order, load, on_report, said.append), said)
        self._kept.move_to_end(key)
        result, messages = self._kept[key]
        for message in messages:
            on_message(message)
        return result

    def _keep(self, key: Any, result: results.Result, messages: list[str]) -> None:
        """Keeps a picture, and as many of the latest before it as there is room for."""
        self._kept[key] = result, messages
        while (
            len(self._kept) > 1 and sum(kept.image[..., 0].size for kept, _ in self._kept.values()) > _MOST_KEPT_PIXELS
        ):
            self._kept.popitem(last=False)

    def _made(
        self,
        order: orders.Order,
        load: Callable[[str], Any],
        on_report: results.OnReport,
        on_message: Callable[[str], None],
    ) -> results.Result:
        """Makes the picture of an order, as `make`."""
        self._load_tensorflow()
        import nst_tf

        command = order.command
        if command.method == "recolour":
            colours = [load(style) for style in command.style]
            return nst_tf.recolour(load(command.content), colours, order.config, on_message=on_message)
        engine = self._engine(command.method, order.config)
        more: dict[str, Any] = {}
        if command.method == "gatys":
            more["on_report"] = on_report
        if command.style_masks:
            more["style_masks"] = [load(mask) for mask in command.style_masks]
        styles = [load(style) for style in command.style]
        result: results.Result = engine(load(command.content), styles, on_message=on_message, **more)
        return result

    def _load_tensorflow(self) -> None:
        if not self._is_prepared:
            self._prepare()
            self._is_prepared = True

    def _engine(self, method: str, config: Any) -> Any:
        """The engine of a method with a configuration: the kept one where its network and its graphs fit."""
        engine = self._engines.get(method)
        if engine is not None and engine.can_take(config):
            engine.reconfigure(config)
        else:
            engine = self._engines[method] = _new_engine(method, config)
        return engine


def _new_engine(method: str, config: Any) -> Any:
    import nst_tf

    classes = {
        "gatys": nst_tf.StyleTransfer,
        "adain": nst_tf.AdainTransfer,
        "multi-style": nst_tf.MultiStyleTransfer,
    }
    return classes[method](config)
