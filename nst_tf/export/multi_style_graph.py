"""The network for many styles as a graph: pictures in and out, in a style that a request names, blends or brings along.

A name is one that `nst-tf stylize` knows: `redon`, `7`, with or without `style:`. Several with a share each are a
blend: `redon=0.7,auvers=0.3`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, messages
from nst_tf.export import graph_inputs, graph_masks, graph_pictures, trial_requests
from nst_tf.networks import multi_style, multi_style_transfer
from nst_tf.weights import known_styles, style_files

_MOST_CHARACTERS = 40  # of a wrong name that a message repeats
_NAME = rf"^\s*(?:{known_styles.PREFIX})?([^=]*?)\s*(?:=.*)?$"
_SHARE = r"[^=]*=\s*((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*"


class NamedStyles(NamedTuple):
    """The styles that a bundle knows by name."""

    names: tuple[str, ...]
    values: multi_style.Style  # [S, N]


def check(config: configs.MultiStyleConfig) -> None:
    """Refuses settings that the graph does not have.

    Raises:
        ConfigError: names the setting and what it may be.
    """
    if config.colours != "style":
        raise errors.ConfigError(
            f"colours must be style in an exported bundle. Received: {config.colours}. Change the answer's colours."
        )


def load(
    styles: Sequence[known_styles.Source], config: configs.MultiStyleConfig, on_message: messages.OnMessage
) -> multi_style.Loaded:
    """The network of a bundle: the one that its styles belong to; see `known_styles.network_of`.

    Raises:
        StyleError: the styles cannot be read or belong to two networks.
    """
    read = known_styles.read(list(styles), config) if styles else ()
    return multi_style.load(known_styles.network_of(read, config.network_file), on_message=on_message)


def strengthened(content: tf.Tensor, stylised: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """(1 - strength) content + strength stylised, as `controls.blended`: pictures [B, H, W, 3], strength [B] or []."""
    share = tf.reshape(strength, [-1, 1, 1, 1])
    return tf.clip_by_value(content + share * (stylised - content), 0.0, 1.0)


def named(loaded: multi_style.Loaded, config: configs.MultiStyleConfig) -> NamedStyles:
    """The network's own styles by their numbers, and those of the package that were learned with this network."""
    own: list[Any] = [known_styles.Known(number) for number in range(len(loaded.known.gamma))]
    files = [style_files.shipped(name) for name in style_files.shipped_names()]
    learned = [file for file in files if file.network_sha256 == loaded.weights["sha256"]]
    rows = [multi_style_transfer.numbers(style, loaded, config.stroke_size_px) for style in (*own, *learned)]
    names = (*(str(style.number) for style in own), *(file.name for file in learned))
    return NamedStyles(names, multi_style.Style(*(np.stack(parts) for parts in zip(*rows, strict=True))))


def baked(
    loaded: multi_style.Loaded, styles: Sequence[known_styles.Source], config: configs.MultiStyleConfig
) -> multi_style.Style:
    """The blended style of one or more sources, [N], as arrays: a graph makes constants of them."""
    chosen = [values for _, values in _chosen(loaded, styles, config)]
    return multi_style.blend(chosen, config.style_blend)


def identities(
    loaded: multi_style.Loaded, styles: Sequence[known_styles.Source], config: configs.MultiStyleConfig
) -> list[dict[str, Any]]:
    """Name and sha256 of each style that is baked in."""
    return [multi_style_transfer.identity(style, values) for style, values in _chosen(loaded, styles, config)]


def example_requests(
    loaded: multi_style.Loaded, config: configs.MultiStyleConfig, styles: Sequence[known_styles.Source]
) -> list[trial_requests.Example]:
    """Small requests on every signature, with the answers of Python."""
    side_px = min(128, config.max_side_px)
    contents = trial_requests.pictures(side_px, min(100, side_px))
    known = named(loaded, config).names
    requested = np.array([known[-1].encode(), f"{known[0]}=1,{known[-1]}=3".encode()])
    chosen: list[tuple[list[Any], tuple[float, ...]]] = [
        ([known_styles.PREFIX + known[-1]], ()),
        ([known_styles.PREFIX + known[0], known_styles.PREFIX + known[-1]], (1.0, 3.0)),
    ]
    strengths = np.array([1.0, 0.4], np.float32)
    if styles:
        chosen = [(list(styles), config.style_blend)] * len(contents)
    engine = multi_style_transfer.MultiStyleTransfer(loaded=loaded)
    answers, numbers = [], []
    for content, (sources, shares), strength in zip(contents, chosen, strengths, strict=True):
        changed = dataclasses.replace(config, max_side_px=side_px, style_blend=shares, strength=float(strength))
        engine.reconfigure(changed)
        answers.append(engine(content, sources, on_message=lambda _: None).image)
        numbers.append(baked(loaded, sources, changed))
    encoded = {"content_bytes": trial_requests.encoded(contents), "max_side_px": np.full([2], side_px, np.int32)}
    encoded |= {"style_strength": strengths}
    tensors = {"content": contents[0], "style_strength": strengths[:1]}
    answer, one = {"stylized_bytes": trial_requests.encoded(answers)}, {"stylized": answers[0]}
    given = trial_requests.masks(contents[0])
    first = {name: values[:1] for name, values in encoded.items()} | {
        graph_masks.KEEP: trial_requests.encoded([given.keep])
    }
    masks = {} if styles else {"style_masks": given.styles}
    in_two = [known_styles.PREFIX + name for name in (known[-1], known[0])]
    engine.reconfigure(
        dataclasses.replace(config, max_side_px=side_px, style_blend=config.style_blend if styles else ())
    )
    image = engine(contents[0], list(styles) or in_two, keep_mask=given.keep, on_message=lambda _: None, **masks).image
    of_regions = {"stylized_bytes": trial_requests.encoded([image])}
    if styles:
        return [
            trial_requests.Example("pictures", "serving_default", encoded, answer),
            trial_requests.Example("tensors", "stylize_tensor", tensors, one),
            trial_requests.Example("regions", "stylize_regions", first, of_regions),
        ]
    first |= {"style": np.array([in_two]).astype(bytes)}
    first |= {graph_masks.STYLE: trial_requests.encoded(given.styles)[np.newaxis]}
    style = {part: np.stack([getattr(values, part) for values in numbers]) for part in multi_style.Style._fields}
    tensors |= {"style": requested[:1]}
    return [
        trial_requests.Example("pictures", "serving_default", encoded | {"style": requested}, answer),
        trial_requests.Example("tensors", "stylize_tensor", tensors, one),
        trial_requests.Example("style", "encode_style", {"style": requested}, style),
        trial_requests.Example("applied", "apply_style", encoded | style, answer),
        trial_requests.Example("regions", "stylize_regions", first, of_regions),
    ]


class MultiStyle(tf.Module):
    """The graph functions of a bundle and the weights that they read.

    Args:
        loaded: the network; its variables become the bundle's.
        config: the settings that are baked in; max_side_px is the largest result.
        limits: max_pixels.
        style: [N], baked in; without one each request names or brings its own.
    """

    def __init__(
        self,
        loaded: multi_style.Loaded,
        config: configs.MultiStyleConfig,
        limits: configs.ExportConfig,
        style: multi_style.Style | None = None,
    ) -> None:
        super().__init__(name="multi_style")
        self.weights = [variable.value for variable in loaded.network.variables]
        self.known = named(loaded, config)
        # Without the model as an attribute: TensorFlow would save it with a signature of its own.
        self._draw: Callable[..., tf.Tensor] = lambda content, style: loaded.network(content, style)
        self._style_size = loaded.network.style_size
        self._config = config
        self._limits = limits
        self._style = style

    def signatures(self) -> dict[str, Any]:
        """The signatures of the bundle: name -> concrete function."""
        strength = graph_inputs.specs({"style_strength": tf.float32})
        content = graph_inputs.specs({"content_bytes": tf.string, "max_side_px": tf.int32}) | strength
        pixels = {"content": tf.TensorSpec([None, None, None, 3], tf.float32, "content")} | strength
        name = graph_inputs.specs({"style": tf.string})
        shape = [None, self._style_size]
        numbers = {part: tf.TensorSpec(shape, tf.float32, part) for part in multi_style.Style._fields}
        if self._style is not None:
            described = {
                "serving_default": (self.stylize_bytes, content),
                "stylize_tensor": (self.stylize_tensor, pixels),
                "stylize_regions": (self.stylize_regions, content | graph_masks.specs(of_styles=False)),
            }
        else:
            described = {
                "serving_default": (self.stylize_bytes, content | name),
                "stylize_tensor": (self.stylize_tensor, pixels | name),
                "encode_style": (self.encode_style, name),
                "apply_style": (self.stylize_bytes, content | numbers),
                "stylize_regions": (
                    self.stylize_regions,
                    content | graph_masks.per_style({"style": tf.string}) | graph_masks.specs(of_styles=True),
                ),
            }
        return {
            name: tf.function(call, autograph=False).get_concrete_function(**specs)
            for name, (call, specs) in described.items()
            if self._limits.several_styles or name not in graph_masks.SIGNATURES
        }

    def stylize_bytes(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded contents, max_side_px, strength, and a style where none is baked in, each [B] -> encoded pictures."""
        return graph_inputs.each(
            lambda element: graph_pictures.encode(self._stylised(self._content(element), element)),
            self._checked(inputs),
        )

    def stylize_regions(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As `stylize_bytes` with several styles [B, K], where each goes and what is kept; see `graph_masks.specs`."""
        inputs = graph_inputs.with_index(inputs)
        if self._style is None:
            inputs = graph_masks.one_count(inputs, "style", graph_masks.STYLE)
        inputs = self._checked(inputs)

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._content(element)
            regions = graph_masks.read(element, tf.shape(content)[1:3], self._limits.max_pixels)
            drawn = self._drawn_in_regions(content, element, regions.shares)
            image = strengthened(content, drawn, element["style_strength"])
            return graph_pictures.encode(graph_masks.with_kept(image, content, regions.keep))

        return graph_inputs.each(stylized, inputs)

    def encode_style(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Names or blends [B] -> gamma and beta [B, N]."""
        return self._numbers(graph_inputs.with_index(inputs))

    def stylize_tensor(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pictures [B, H, W, 3], strength [B], names or blends [B] where no style is baked in -> [B, H, W, 3]."""
        inputs = self._checked(inputs)
        pixels = graph_inputs.pixels(inputs, "content", multi_style.MINIMUM_SIDE_PX, self._config.max_side_px)
        return {"stylized": self._stylised(pixels, inputs)}

    def _content(self, element: graph_inputs.Tensors) -> tf.Tensor:
        """The content of one element, [1, H, W, 3]."""
        return graph_inputs.content(
            element, self._config.max_side_px, multi_style.MINIMUM_SIDE_PX, self._limits.max_pixels
        )

    def _drawn_in_regions(self, content: tf.Tensor, element: graph_inputs.Tensors, shares: tf.Tensor) -> tf.Tensor:
        """A content in the style that is baked in, or in its styles [K, N] by their shares [1, H, W, K]."""
        if self._style is not None:
            return self._draw(content, self._style)
        styles = (element["gamma"], element["beta"])
        spec = tf.TensorSpec([None, None, 3], tf.float32)
        drawn = tf.map_fn(
            lambda one: self._draw(content, multi_style.Style(*one))[0],
            styles,
            fn_output_signature=spec,
            parallel_iterations=1,
        )  # [K, H, W, 3]
        covered = tf.reduce_sum(tf.transpose(shares, [3, 1, 2, 0]) * drawn, 0, keepdims=True)
        left = 1.0 - tf.reduce_sum(shares, -1, keepdims=True)
        return tf.clip_by_value(covered + left * content, 0.0, 1.0)

    def _stylised(self, content: tf.Tensor, inputs: graph_inputs.Tensors) -> tf.Tensor:
        """The pictures in the style that is baked in, or of gamma and beta [N] or [B, N], with strength [] or [B]."""
        style = self._style or multi_style.Style(inputs["gamma"], inputs["beta"])
        return strengthened(content, self._draw(content, style), inputs["style_strength"])

    def _checked(self, inputs: graph_inputs.Tensors) -> graph_inputs.Tensors:
        """The inputs with their places, gamma and beta; fails where a value is out of its range."""
        inputs = graph_inputs.with_index(inputs)
        if "max_side_px" in inputs:
            inputs["max_side_px"] = graph_inputs.positive(inputs["max_side_px"], "max_side_px")
        strength = graph_inputs.within(inputs["style_strength"], "style_strength", 1.0)
        return inputs | {"style_strength": strength} | self._numbers(inputs)

    def _numbers(self, inputs: graph_inputs.Tensors) -> dict[str, tf.Tensor]:
        """Gamma and beta [B, N] of a request, or [B, K, N], checked; nothing where the style is baked in."""
        if "style" in inputs:
            texts, places = inputs["style"], inputs["index"]
            if texts.shape.rank == 2:
                batch, count = tf.unstack(tf.shape(texts))
                places = graph_masks.place(tf.repeat(places, count), tf.tile(tf.range(count), [batch]))
            shares = tf.map_fn(self._shares, (tf.reshape(texts, [-1]), places), fn_output_signature=tf.float32)
            shares = tf.ensure_shape(shares, [None, len(self.known.names)])
            found = {part: shares @ values for part, values in self.known.values._asdict().items()}
            shape = tf.concat([tf.shape(texts), [self._style_size]], 0)
            return {part: tf.reshape(values, shape) for part, values in found.items()}
        return {part: graph_inputs.finite(inputs[part], part) for part in multi_style.Style._fields if part in inputs}

    def _shares(self, element: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """The share of each named style in one request, float32 [S], of the sum 1."""
        text, index = element
        parts = tf.strings.split(text, ",")  # [P]
        is_named = tf.strings.regex_replace(parts, _NAME, r"\1")[:, tf.newaxis] == self.known.names  # [P, S]
        has_share = tf.strings.regex_full_match(parts, _SHARE)
        is_allowed = tf.reduce_any(is_named, 1) & (has_share | ~tf.strings.regex_full_match(parts, ".*=.*"))
        is_text = tf.strings.regex_full_match(text, "[ -~]*")  # a message must be
        shown = tf.where(is_text, tf.strings.substr(text, 0, _MOST_CHARACTERS), "a name with other characters")
        received = (". Received: ", shown)
        rule = f"a style must be one of {', '.join(self.known.names)}, or several with shares, as in A=0.7,B=0.3"
        parts = graph_pictures.checked(parts, tf.reduce_all(is_allowed), "style[", index, "]: ", rule, *received)
        texts = tf.where(has_share, tf.strings.regex_replace(parts, f"^{_SHARE}$", r"\1"), "1")
        shares = tf.reduce_sum(tf.strings.to_number(texts)[:, tf.newaxis] * tf.cast(is_named, tf.float32), 0)  # [S]
        total = tf.reduce_sum(shares)
        rule = "]: the shares of a style must add up to more than 0"
        is_allowed = (total > 0) & tf.math.is_finite(total)
        return graph_pictures.checked(shares / total, is_allowed, "style[", index, rule, *received)


def _chosen(
    loaded: multi_style.Loaded, styles: Sequence[known_styles.Source], config: configs.MultiStyleConfig
) -> list[tuple[Any, multi_style.Style]]:
    """Each style as it was read, with its scales and shifts."""
    read = known_styles.read(list(styles), config) if styles else ()
    return [(style, multi_style_transfer.numbers(style, loaded, config.stroke_size_px)) for style in read]
