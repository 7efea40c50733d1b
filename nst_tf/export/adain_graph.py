"""AdaIN as a graph: pictures in and out, the style given with each request, encoded beforehand, or baked in.

Each element of a batch of encoded pictures may have its own size, so they pass one after the other.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.export import graph_colours, graph_inputs, graph_masks, graph_pictures, trial_requests
from nst_tf.networks import adain, one_pass
from nst_tf.pictures import images

_PIXELS = tf.TensorSpec([None, None, None, 3], tf.float32)


def check(config: configs.AdainConfig) -> None:
    """Refuses settings that the graph does not have.

    Raises:
        ConfigError: names the setting and what it may be.
    """
    graph_inputs.style_side_px(config)
    if config.colours == "content":
        raise errors.ConfigError(
            "colours must be style or luminance in an exported bundle. Received: content. Match the style picture's "
            "colours before it is sent."
        )
    if config.guided_filter_radius:
        raise errors.ConfigError(
            "guided_filter_radius must be 0 in an exported bundle of adain. Received: "
            f"{config.guided_filter_radius:g}. Filter the pictures that it gives, as nst-tf batch --bundle does."
        )


def load(config: configs.AdainConfig, on_message: Callable[[str], None]) -> adain.Loaded:
    """The network of a configuration.

    `auto` is float32 and direct convolutions, since the bundle may run on another machine.
    """
    return adain.load(
        dtype_policy="float32" if config.precision == "auto" else config.precision,
        encoder=config.weights,
        decoder=config.decoder,
        convolution="direct" if config.convolution == "auto" else config.convolution,
        on_message=on_message,
    )


def baked(loaded: adain.Loaded, styles: Sequence[images.Picture], config: configs.AdainConfig) -> adain.Moments:
    """The blended style of one or more pictures, [1, N], as arrays: a graph makes constants of them.

    Raises:
        ConfigError: with colours=luminance, where the style depends on the content.
    """
    if config.colours == "luminance":
        raise errors.ConfigError(
            "colours must be style in a graph with its style inside. Received: luminance, which shifts the style to "
            "each content. Leave out the style, so that requests bring it."
        )
    style = adain.blend([loaded.network.style_moments(picture.pixels) for picture in styles], config.style_blend)
    return adain.Moments(style.mean.numpy(), style.deviation.numpy())


def variables(network: adain.AdainNetwork) -> list[tf.Variable]:
    """TensorFlow's variables inside Keras': only those are found when a module is saved."""
    return [variable.value for variable in (*network.encoder.variables, *network.decoder.variables)]


def example_requests(
    loaded: adain.Loaded, config: configs.AdainConfig, styles: Sequence[images.Picture]
) -> list[trial_requests.Example]:
    """Small requests on every signature, with the answers of Python."""
    side_px = min(128, config.max_side_px)
    contents = trial_requests.pictures(side_px, min(100, side_px))
    pictures = trial_requests.pictures(90, 120)[::-1]
    strengths = np.array([1.0, 0.4], np.float32)
    if styles:  # Python is to read them at the size they were baked in at
        largest_px = max(max(picture.height_px, picture.width_px) for picture in styles)
        config = dataclasses.replace(config, style_max_side_px=max(16, largest_px))
    config = dataclasses.replace(config, max_side_px=side_px)
    engine = one_pass.AdainTransfer(config, loaded=loaded)
    answers = []
    for content, picture, strength in zip(contents, pictures, strengths, strict=True):
        engine.reconfigure(dataclasses.replace(config, strength=float(strength)))
        answers.append(engine(content, list(styles) or picture, on_message=lambda _: None).image)
    sizes = {"max_side_px": np.full([2], side_px, np.int32)}
    one = {"content": contents[0], "style_strength": strengths[:1]}
    encoded = {"content_bytes": trial_requests.encoded(contents), "style_strength": strengths} | sizes
    answer = {"stylized_bytes": trial_requests.encoded(answers)}
    given = trial_requests.masks(contents[0])
    first = {name: values[:1] for name, values in encoded.items()}
    keep = {graph_masks.KEEP: trial_requests.encoded([given.keep])}
    engine.reconfigure(config)

    def answered(*chosen: Any, **controls: Any) -> dict[str, np.ndarray]:
        image = engine(contents[0], list(chosen), on_message=lambda _: None, **controls).image
        return {"stylized_bytes": trial_requests.encoded([image])}

    if styles:
        return [
            trial_requests.Example("pictures", "serving_default", encoded, answer),
            trial_requests.Example("tensors", "stylize_tensor", one, {"stylized": answers[0]}),
            trial_requests.Example("regions", "stylize_regions", first | keep, answered(*styles, keep_mask=given.keep)),
        ]
    two = {"style_bytes": trial_requests.encoded(pictures)[np.newaxis]}
    regions = {graph_masks.STYLE: trial_requests.encoded(given.styles)[np.newaxis]} | keep
    of_regions = answered(*pictures, style_masks=given.styles, keep_mask=given.keep)
    engine.reconfigure(dataclasses.replace(config, style_blend=trial_requests.BLEND))
    blend = {"style_blend": np.array([trial_requests.BLEND], np.float32)}
    sides_px = [graph_inputs.style_side_px(config) or max(content.shape[1:3]) for content in contents]
    scaled = [
        images.resize(picture, *images.fit(picture.shape[1], picture.shape[2], side))
        for picture, side in zip(pictures, sides_px, strict=True)
    ]
    moments = [loaded.network.style_moments(picture) for picture in scaled]
    style = {
        "style_mean": np.concatenate([m.mean for m in moments]),
        "style_deviation": np.concatenate([m.deviation for m in moments]),
    }
    style_bytes = {"style_bytes": trial_requests.encoded(pictures)}
    style_sizes = {"max_side_px": np.array(sides_px, np.int32)}
    examples = [
        trial_requests.Example("pictures", "serving_default", encoded | style_bytes, answer),
        trial_requests.Example("tensors", "stylize_tensor", one | {"style": scaled[0]}, {"stylized": answers[0]}),
        trial_requests.Example("blend", "stylize_blend", first | two | blend, answered(*pictures)),
        trial_requests.Example("regions", "stylize_regions", first | two | regions, of_regions),
    ]
    if config.colours != "style":
        return examples
    return [
        *examples,
        trial_requests.Example("style", "encode_style", style_bytes | style_sizes, style),
        trial_requests.Example("applied", "apply_style", encoded | style, answer),
    ]


class Adain(tf.Module):
    """The graph functions of a bundle and the weights that they read.

    Args:
        network: encoder and decoder; their variables become the bundle's.
        config: the settings that are baked in; max_side_px is the largest result.
        limits: max_pixels.
        style: [1, N], baked in; without one each request brings its own.
    """

    def __init__(
        self,
        network: adain.AdainNetwork,
        config: configs.AdainConfig,
        limits: configs.ExportConfig,
        style: adain.Moments | None = None,
    ) -> None:
        super().__init__(name="adain")
        self.weights = variables(network)
        self._network = network
        self._config = config
        self._limits = limits
        self._style = style

    def signatures(self) -> dict[str, Any]:
        """The signatures of the bundle: name -> concrete function."""
        content = graph_inputs.specs({"content_bytes": tf.string, "max_side_px": tf.int32})
        style = graph_inputs.specs({"style_bytes": tf.string})
        strength = graph_inputs.specs({"style_strength": tf.float32})
        pixels = {"content": tf.TensorSpec(_PIXELS.shape, _PIXELS.dtype, "content")}
        if self._style is not None:
            described = {
                "serving_default": (self.stylize_bytes, content | strength),
                "stylize_tensor": (self.stylize_tensor, pixels | strength),
                "stylize_regions": (self.stylize_regions, content | strength | graph_masks.specs(of_styles=False)),
            }
        else:
            channels = self._network.encoder.output_shape[-1]
            moments = {
                name: tf.TensorSpec([None, channels], tf.float32, name) for name in ("style_mean", "style_deviation")
            }
            style_pixels = {"style": tf.TensorSpec(_PIXELS.shape, _PIXELS.dtype, "style")}
            sizes = graph_inputs.specs({"max_side_px": tf.int32})
            several = content | strength | graph_masks.per_style({"style_bytes": tf.string})
            blend = graph_masks.per_style({"style_blend": tf.float32})
            described = {
                "stylize_blend": (self.stylize_blend, several | blend),
                "stylize_regions": (self.stylize_regions, several | graph_masks.specs(of_styles=True)),
                "serving_default": (self.stylize_bytes, content | style | strength),
                "stylize_tensor": (self.stylize_tensor, pixels | style_pixels | strength),
            }
            if self._config.colours == "style":  # otherwise a style is not one without its content
                described["encode_style"] = (self.encode_style, style | sizes)
                described["apply_style"] = (self.stylize_bytes, content | moments | strength)
        return {
            name: tf.function(call, autograph=False).get_concrete_function(**specs)
            for name, (call, specs) in described.items()
            if self._limits.several_styles or name not in graph_masks.SIGNATURES
        }

    def stylize_bytes(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded contents [B], a style where none is baked in, and controls [B] -> encoded pictures [B]."""
        inputs = self._checked(inputs)
        for name in ("style_mean", "style_deviation"):
            if name in inputs:
                inputs[name] = graph_inputs.finite(inputs[name], name)

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._content(element)
            if self._style is not None:
                style = self._style
            elif "style_mean" in element:
                style = adain.Moments(element["style_mean"][tf.newaxis], element["style_deviation"][tf.newaxis])
            else:
                side_px = tf.reduce_max(tf.shape(content)[1:3])
                pixels = self._decoded_style(element["style_bytes"], side_px, element["index"])
                return graph_pictures.encode(self._applied(content, pixels, element["style_strength"]))
            return graph_pictures.encode(self._network.apply(content, style, element["style_strength"]))

        return graph_inputs.each(stylized, inputs)

    def stylize_blend(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As `stylize_bytes` with several styles [B, K] and the share of each, style_blend [B, K]."""
        inputs = graph_masks.one_count(self._checked(inputs), "style_bytes", "style_blend")

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._content(element)
            shares = graph_masks.shares_of(element["style_blend"], element["index"])
            styles = self._styles(element, content, None)
            style = adain.Moments(*(tf.tensordot(shares, part, 1)[tf.newaxis] for part in styles))
            return graph_pictures.encode(
                self._in_colour(content, self._network.apply, style, element["style_strength"])
            )

        return graph_inputs.each(stylized, inputs)

    def stylize_regions(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As `stylize_bytes` with several styles [B, K], where each goes and what is kept; see `graph_masks.specs`."""
        inputs = self._checked(inputs)
        if self._style is None:
            inputs = graph_masks.one_count(inputs, "style_bytes", graph_masks.STYLE)

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._content(element)
            regions = graph_masks.read(element, tf.shape(content)[1:3], self._limits.max_pixels)
            strength = element["style_strength"]
            if self._style is not None:
                image = self._network.apply(content, self._style, strength)
            else:
                styles = self._styles(element, content, regions.shares)
                image = self._in_colour(content, self._network.apply_regions, styles, regions.shares, strength)
            return graph_pictures.encode(graph_masks.with_kept(image, content, regions.keep))

        return graph_inputs.each(stylized, inputs)

    def encode_style(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded pictures [B], each read with max_side_px [B] as its longer side -> moments [B, N]."""
        inputs = graph_inputs.with_index(inputs)
        inputs["max_side_px"] = graph_inputs.positive(inputs["max_side_px"], "max_side_px")

        def moments(element: graph_inputs.Tensors) -> tf.Tensor:
            max_side_px = tf.minimum(element["max_side_px"], self._config.max_side_px)
            style = self._network.style_moments(
                self._decoded_style(element["style_bytes"], max_side_px, element["index"])
            )
            return tf.concat([style.mean, style.deviation], 0)  # [2, N]

        channels = self._network.encoder.output_shape[-1]
        signature = tf.TensorSpec([2, channels], tf.float32)
        both = tf.map_fn(moments, inputs, fn_output_signature=signature, parallel_iterations=1)
        return {"style_mean": both[:, 0], "style_deviation": both[:, 1]}

    def stylize_tensor(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pictures [B, H, W, 3], styles [B, H', W', 3] where none is baked in, strength [B] -> [B, H, W, 3]."""
        inputs = self._checked(inputs)
        side_px = max(self._config.max_side_px, graph_inputs.style_side_px(self._config) or 0)
        for name in {"content", "style"}.intersection(inputs):
            inputs[name] = graph_inputs.pixels(inputs, name, self._network.minimum_side_px, side_px)
        if self._style is None:
            return {"stylized": self._applied(inputs["content"], inputs["style"], inputs["style_strength"])}
        return {"stylized": self._network.apply(inputs["content"], self._style, inputs["style_strength"])}

    def _checked(self, inputs: graph_inputs.Tensors) -> graph_inputs.Tensors:
        inputs = graph_inputs.with_index(inputs)
        if "max_side_px" in inputs:
            inputs["max_side_px"] = graph_inputs.positive(inputs["max_side_px"], "max_side_px")
        return inputs | {"style_strength": graph_inputs.within(inputs["style_strength"], "style_strength", 1.0)}

    def _content(self, element: graph_inputs.Tensors) -> tf.Tensor:
        """The content of one element, [1, H, W, 3]."""
        return graph_inputs.content(
            element, self._config.max_side_px, self._network.minimum_side_px, self._limits.max_pixels
        )

    def _styles(self, element: graph_inputs.Tensors, content: tf.Tensor, regions: tf.Tensor | None) -> adain.Moments:
        """The styles [K, N] of one element with several, whose colours may follow their regions [1, H, W, K]."""
        side_px = tf.reduce_max(tf.shape(content)[1:3])

        def moments(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            data, number = one
            pixels = self._decoded_style(data, side_px, graph_masks.place(element["index"], number))
            region = None if regions is None else tf.gather(regions, [number], axis=-1)
            seen = graph_colours.before(content, pixels, self._config.colours, region)
            return tf.concat(self._network.style_moments(seen.style), 0)  # [2, N]

        count = tf.shape(element["style_bytes"])[0]
        spec = tf.TensorSpec([2, self._network.encoder.output_shape[-1]], tf.float32)
        both = tf.map_fn(
            moments, (element["style_bytes"], tf.range(count)), fn_output_signature=spec, parallel_iterations=1
        )
        return adain.Moments(both[:, 0], both[:, 1])

    def _in_colour(self, content: tf.Tensor, apply: Callable[..., tf.Tensor], *arguments: Any) -> tf.Tensor:
        """What the network makes of a content with these arguments, in the colours that the configuration wants."""
        seen = graph_colours.before(content, content, self._config.colours).content
        return graph_colours.after(apply(seen, *arguments), content, self._config.colours)

    def _applied(self, content: tf.Tensor, style: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
        """Contents after the pictures of their styles, with the colours that the configuration wants."""
        seen = graph_colours.before(content, style, self._config.colours)
        image = self._network.apply(seen.content, self._network.style_moments(seen.style), strength)
        return graph_colours.after(image, content, self._config.colours)

    def _decoded_style(self, data: tf.Tensor, max_side_px: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """One encoded picture [1, H, W, 3], read at the size that the configuration wants."""
        style = graph_pictures.decode(data, "style_bytes", index, self._limits.max_pixels)
        max_side_px = graph_inputs.style_side_px(self._config) or max_side_px
        size = graph_pictures.fit(tf.shape(style)[1:3], max_side_px, self._network.minimum_side_px)
        style = graph_pictures.resize(style, size)
        return graph_inputs.at_least(style, self._network.minimum_side_px, "style_bytes", index)
