"""The method of Gatys et al. as one graph: decoding, targets, coarse-to-fine L-BFGS and encoding, with no Python left.

What `transfer.StyleTransfer` does from Python, with the same objective and the same `lbfgs.lbfgs_step`. All state
of a request is loop tensors, so that requests at the same time cannot meet.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from nst_tf import configs, errors, vgg
from nst_tf.export import (
    gatys_schedule,
    graph_colours,
    graph_guided_filter,
    graph_inputs,
    graph_masks,
    graph_pictures,
)
from nst_tf.losses import guidance, objective
from nst_tf.optimisation import keeping, lbfgs

CONTROLS = {"steps": tf.int32, "content_weight": tf.float32, "seed": tf.int32}  # each [batch]
PICTURES = ("content_bytes", "style_bytes")
_INSTEAD = {  # of a setting that a graph does not have
    "style_blend": " Requests bring their shares, by the signature stylize_blend.",
    "fine_style": " It is an optimisation of its own. Send the style picture that one has made.",
}


def check(config: configs.StyleTransferConfig) -> None:
    """Refuses settings that the graph does not have.

    Raises:
        ConfigError: names the setting and what it may be.
    """
    graph_inputs.style_side_px(config)
    for name, allowed in {
        "optimizer": ("lbfgs",),
        "averaging": (0.0,),
        "quality": ("draft", "good", None),
        "patience": (0,),
        "precision": ("auto", "float32", "mixed_bfloat16"),
        "initialisation": ("content", "style", "noise"),
        "style_blend": ((),),
        "colours": ("style", "luminance"),
        "fine_style": ("",),
        "xla": ("off",),
        "snapshot_interval": (0,),
        "full_size": (False,),
    }.items():
        received = getattr(config, name)
        if received not in allowed:
            choices = " or ".join(str(value) for value in allowed)
            raise errors.ConfigError(
                f"{name} must be {choices} in an exported bundle. Received: {received}.{_INSTEAD.get(name, '')}"
            )
    if "mrf" in config.style_terms:
        raise errors.ConfigError(
            "style_terms (--style_term) must be without mrf in an exported bundle, which reads the style in the graph. "
            f"Received: {', '.join(config.style_terms)}."
        )


def takes_several(config: configs.StyleTransferConfig, limits: configs.ExportConfig) -> bool:
    """Whether the bundle has the signatures for several styles: the style must count in it."""
    return limits.several_styles and bool(config.style_layers)


class Gatys(tf.Module):
    """The graph functions of a bundle and the weights that they read.

    Args:
        goal: the objective; its extractor's variables become the bundle's.
        config: the settings that are baked in. max_side_px is the largest result, coarse_steps the most evaluations at
            the size before the last, which a request of config.steps or more gets.
        limits: max_pixels, max_steps and max_content_weight.
    """

    def __init__(
        self, goal: objective.Objective, config: configs.StyleTransferConfig, limits: configs.ExportConfig
    ) -> None:
        super().__init__(name="gatys")
        # Keras' variables hold TensorFlow's; only those are found when the module is saved.
        variables = getattr(goal.extractor, "variables", ())
        self.weights = [v if isinstance(v, tf.Variable) else v.value for v in variables]
        self._goal = goal
        self._config = config
        self._limits = limits
        self._stride_px = vgg.stride_px(config.layers[-1])
        self._style_stride_px = config.style_side_px
        picture = tf.TensorSpec([1, None, None, 3])
        controls = [tf.TensorSpec([], dtype) for dtype in CONTROLS.values()]
        one = [picture, picture, *controls]
        self._optimised = _untracked(tf.function(self._optimise, input_signature=one, autograph=False))
        several = [tf.TensorSpec([None], tf.string), tf.TensorSpec([None, None]), tf.TensorSpec([1, None, None, None])]
        plane = tf.TensorSpec([1, None, None, 1])
        several = [picture, *several, plane, plane, *controls]
        self._optimised_in_regions = _untracked(
            tf.function(self._optimise_in_regions, input_signature=several, autograph=False)
        )

    def signatures(self) -> dict[str, Any]:
        """The signatures of the bundle: name -> concrete function."""
        controls = graph_inputs.specs(CONTROLS)
        encoded = graph_inputs.specs(dict.fromkeys(PICTURES, tf.string) | {"max_side_px": tf.int32})
        pixels = {name: tf.TensorSpec([None, None, None, 3], tf.float32, name) for name in ("content", "style")}
        several = encoded | graph_masks.per_style({"style_bytes": tf.string})
        blend = graph_masks.per_style({"style_blend": tf.float32})
        described = {
            "serving_default": (self.stylize_bytes, encoded),
            "stylize_tensor": (self.stylize_tensor, pixels),
        }
        if takes_several(self._config, self._limits):
            described["stylize_blend"] = (self.stylize_blend, several | blend)
            described["stylize_regions"] = (self.stylize_regions, several | graph_masks.specs(of_styles=True))
        return {
            name: tf.function(call, autograph=False).get_concrete_function(**specs, **controls)
            for name, (call, specs) in described.items()
        }

    def stylize_bytes(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded pictures [B] and controls [B] -> encoded pictures [B]."""

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content, style = self._decoded(element)
            return graph_pictures.encode(self._stylized(content, style, element))

        return graph_inputs.each(stylized, _proven(self._checked(inputs), self._decoded))

    def stylize_blend(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As `stylize_bytes` with several styles [B, K] and the share of each, style_blend [B, K]."""
        inputs = graph_masks.one_count(self._checked(inputs), "style_bytes", "style_blend")

        def read(element: graph_inputs.Tensors) -> list[tf.Tensor]:
            return [
                *self._contents_and_styles(element),
                graph_masks.shares_of(element["style_blend"], element["index"]),
            ]

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._decoded_content(element)
            everywhere = graph_masks.Regions(tf.ones_like(content[..., :1]), tf.zeros_like(content[..., :1]))
            mixing = graph_masks.shares_of(element["style_blend"], element["index"])[tf.newaxis]  # [1, K]
            return graph_pictures.encode(self._stylized_in_regions(content, mixing, everywhere, element))

        return graph_inputs.each(stylized, _proven(inputs, read))

    def stylize_regions(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As `stylize_bytes` with several styles [B, K], where each goes and what is kept; see `graph_masks.specs`."""
        inputs = graph_masks.one_count(self._checked(inputs), "style_bytes", graph_masks.STYLE)

        def regions_of(element: graph_inputs.Tensors, content: tf.Tensor) -> graph_masks.Regions:
            return graph_masks.read(element, tf.shape(content)[1:3], self._limits.max_pixels)

        def read(element: graph_inputs.Tensors) -> list[tf.Tensor]:
            content, sizes = self._contents_and_styles(element)
            return [sizes, *regions_of(element, content)]

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content = self._decoded_content(element)
            each_its_own = tf.eye(tf.shape(element["style_bytes"])[0])
            regions = regions_of(element, content)
            return graph_pictures.encode(self._stylized_in_regions(content, each_its_own, regions, element))

        return graph_inputs.each(stylized, _proven(inputs, read))

    def stylize_tensor(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Pictures [B, H, W, 3] and [B, H', W', 3], and controls [B] -> pictures [B, H, W, 3]."""
        inputs = self._checked(inputs)
        largest_style_px = max(self._config.max_side_px, graph_inputs.style_side_px(self._config) or 0)
        for name, side_px in (("content", self._config.max_side_px), ("style", largest_style_px)):
            pixels = graph_inputs.finite(graph_inputs.at_most(inputs[name], side_px, name), name)
            inputs[name] = tf.clip_by_value(pixels, 0.0, 1.0)

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            index = element["index"]
            content = graph_inputs.at_least(element["content"][tf.newaxis], self._stride_px, "content", index)
            style = self._scaled_style(element["style"][tf.newaxis], content, "style", index)
            return self._stylized(content, style, element)[0]

        picture = tf.TensorSpec([None, None, 3], tf.float32)
        return {"stylized": tf.map_fn(stylized, inputs, fn_output_signature=picture, parallel_iterations=1)}

    def _checked(self, inputs: graph_inputs.Tensors) -> graph_inputs.Tensors:
        inputs = graph_inputs.with_index(inputs)
        if "max_side_px" in inputs:
            inputs["max_side_px"] = graph_inputs.positive(inputs["max_side_px"], "max_side_px")
        weight = graph_inputs.within(inputs["content_weight"], "content_weight", self._limits.max_content_weight)
        steps = tf.clip_by_value(inputs["steps"], 1, self._limits.max_steps)
        return inputs | {"content_weight": weight, "steps": steps}

    def _decoded(self, element: graph_inputs.Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Content and style of one element, each [1, H, W, 3] at its working size."""
        content = self._decoded_content(element)
        return content, self._decoded_style(element["style_bytes"], content, element["index"])

    def _decoded_content(self, element: graph_inputs.Tensors) -> tf.Tensor:
        index = element["index"]
        content = graph_pictures.decode(element["content_bytes"], "content_bytes", index, self._limits.max_pixels)
        max_side_px = tf.clip_by_value(element["max_side_px"], self._stride_px, self._config.max_side_px)
        content = graph_pictures.resize(content, graph_pictures.fit(tf.shape(content)[1:3], max_side_px))
        return graph_inputs.at_least(content, self._stride_px, "content_bytes", index)

    def _decoded_style(self, data: tf.Tensor, content: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        style = graph_pictures.decode(data, "style_bytes", index, self._limits.max_pixels)
        return self._scaled_style(style, content, "style_bytes", index)

    def _contents_and_styles(self, element: graph_inputs.Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """The content of one element with several styles, and the shape of each of these, which all decode."""
        content = self._decoded_content(element)
        data = element["style_bytes"]
        sizes = tf.map_fn(
            lambda one: tf.shape(self._decoded_style(one[0], content, graph_masks.place(element["index"], one[1]))),
            (data, tf.range(tf.shape(data)[0])),
            fn_output_signature=tf.TensorSpec([4], tf.int32),
            parallel_iterations=1,
        )
        return content, sizes

    def _scaled_style(self, style: tf.Tensor, content: tf.Tensor, name: str, index: tf.Tensor) -> tf.Tensor:
        """The style picture at the size that the configuration wants beside a content picture."""
        max_side_px = graph_inputs.style_side_px(self._config) or tf.reduce_max(tf.shape(content)[1:3])
        size = graph_pictures.fit(tf.shape(style)[1:3], max_side_px, self._style_stride_px)
        return graph_inputs.at_least(graph_pictures.resize(style, size), self._style_stride_px, name, index)

    def _stylized(self, content: tf.Tensor, style: tf.Tensor, element: graph_inputs.Tensors) -> tf.Tensor:
        seen = graph_colours.before(content, style, self._config.colours)
        image, loss = self._optimised(*seen, *[element[name] for name in CONTROLS])
        return self._finished(image, loss, seen.content, content, element["index"])

    def _stylized_in_regions(
        self, content: tf.Tensor, mixing: tf.Tensor, regions: graph_masks.Regions, element: graph_inputs.Tensors
    ) -> tf.Tensor:
        """One picture with its K styles, of which each region has its mixture, [R, K]."""
        seen = graph_colours.before(content, content, self._config.colours).content
        controls = [element[name] for name in CONTROLS]
        image, loss = self._optimised_in_regions(
            seen, element["style_bytes"], mixing, regions.shares, regions.keep, regions.kept, *controls
        )
        image = self._finished(image, loss, seen, content, element["index"])
        if self._config.guided_filter_radius or self._config.strength < 1:  # which changed what was kept
            image = graph_masks.with_kept(image, content, regions.kept)
        return image

    def _finished(
        self, image: tf.Tensor, loss: tf.Tensor, seen: tf.Tensor, content: tf.Tensor, index: tf.Tensor
    ) -> tf.Tensor:
        """An image of the network's as the user is to have it; seen is the content that the network saw."""
        rule = "]: the objective is not a finite number at the start"
        radius, epsilon = self._config.guided_filter_radius, self._config.guided_filter_epsilon
        if self._config.strength < 1:  # as `stages.with_own_extremes`
            lost = seen - tf.clip_by_value(seen, lbfgs.SATURATION, 1 - lbfgs.SATURATION)
            image = tf.clip_by_value(image + (1 - self._config.strength) * lost, 0.0, 1.0)
        image = graph_guided_filter.of_photograph(image, seen, radius, epsilon)
        image = graph_pictures.checked(image, tf.math.is_finite(loss), "element[", index, rule)
        return graph_colours.after(image, content, self._config.colours)

    def _optimise(
        self, content: tf.Tensor, style: tf.Tensor, steps: tf.Tensor, content_weight: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One pair, coarse to fine as `transfer.StyleTransfer`: the best image [1, H, W, 3] and its objective."""

        def targets(stage_content: tf.Tensor, size: tf.Tensor, scale: tf.Tensor) -> objective.Targets:
            stage_style = graph_pictures.resize(style, self._style_size_at(style, scale))
            return self._goal.targets(vgg.padded(stage_content, self._stride_px), [stage_style])

        controls = gatys_schedule.Controls(steps, content_weight, seed)
        return gatys_schedule.optimised(content, style, controls, self._goal, targets, self._limits.max_steps)

    def _optimise_in_regions(
        self,
        content: tf.Tensor,
        style_bytes: tf.Tensor,
        mixing: tf.Tensor,
        shares: tf.Tensor,
        keep: tf.Tensor,
        kept: tf.Tensor,
        steps: tf.Tensor,
        content_weight: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """As `_optimise` with K encoded styles [K], of which each of R regions has its mixture [R, K].

        Shares are [1, H, W, R]; keep and kept, with what no region covers, [1, H, W, 1].
        """
        goal = guidance.guided(self._goal)
        numbers = tf.range(tf.shape(style_bytes)[0])

        def style_of(data: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            style = self._decoded_style(data, content, number)
            region = tf.gather(shares, [tf.minimum(number, tf.shape(shares)[3] - 1)], axis=3)
            return graph_colours.before(content, style, self._config.colours, region).style

        def targets(stage_content: tf.Tensor, size: tf.Tensor, scale: tf.Tensor) -> objective.Targets:
            def measured(one: tuple[tf.Tensor, tf.Tensor]) -> objective.Targets:
                style = style_of(*one)
                style = graph_pictures.resize(style, self._style_size_at(style, scale))
                found = guidance.measured(goal, style, tf.ones_like(style[..., :1]))
                return tf.nest.map_structure(lambda statistic: statistic[0], found)

            specs = {
                term.name: dict.fromkeys(term.layers, tf.TensorSpec([None, None]))
                for term in goal.feature_terms
                if term.compares_with == "style"
            }
            each = tf.map_fn(measured, (style_bytes, numbers), fn_output_signature=specs, parallel_iterations=1)
            mixed = tf.nest.map_structure(lambda statistics: tf.tensordot(mixing, statistics, 1), each)
            padded = vgg.padded(stage_content, self._stride_px)
            free, own = (
                vgg.padded(graph_pictures.resize(plane, size), self._stride_px) for plane in (shares * (1 - keep), kept)
            )
            return keeping.with_kept(guidance.targets(goal, padded, free, mixed), padded, own)

        first = style_of(style_bytes[0], numbers[0])
        controls = gatys_schedule.Controls(steps, content_weight, seed)
        return gatys_schedule.optimised(content, first, controls, goal, targets, self._limits.max_steps)

    def _style_size_at(self, style: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        """The size of a style picture where the content has a share of its own, int32 [2]."""
        size = tf.shape(style)[1:3]
        return graph_pictures.scaled_size(size, graph_pictures.at_least(size, scale, self._style_stride_px))


def _untracked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A traced function that a module may hold: TensorFlow would trace it again to save it, wanted or not."""
    return lambda *args: function(*args)


def _proven(
    inputs: graph_inputs.Tensors, read: Callable[[graph_inputs.Tensors], Sequence[tf.Tensor]]
) -> graph_inputs.Tensors:
    """The inputs of a request all of whose pictures can be read.

    A picture that does not decode fails its request now, and not after those before it were optimised.
    """

    def all_read(element: graph_inputs.Tensors) -> tf.Tensor:
        with tf.control_dependencies(list(read(element))):
            return tf.constant(True)

    proofs = tf.map_fn(all_read, inputs, fn_output_signature=tf.bool, parallel_iterations=1)
    with tf.control_dependencies([proofs]):
        return {name: tf.identity(value) for name, value in inputs.items()}
