"""The method of Gatys et al. as one graph: decoding, targets, coarse-to-fine L-BFGS and encoding, with no Python left.

What `transfer.StyleTransfer` does from Python, with the same objective and the same `lbfgs.lbfgs_step`. All state
of a request is loop tensors, so that requests at the same time cannot meet.
"""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from nst_tf import configs, errors, vgg
from nst_tf.export import graph_colours, graph_guided_filter, graph_inputs, graph_pictures, trial_requests
from nst_tf.losses import objective
from nst_tf.optimisation import lbfgs, schedule, stages, transfer

CONTROLS = {"steps": tf.int32, "content_weight": tf.float32, "seed": tf.int32}  # each [batch]
PICTURES = ("content_bytes", "style_bytes")


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
        "xla": ("auto", "off"),
        "snapshot_interval": (0,),
        "full_size": (False,),
    }.items():
        received = getattr(config, name)
        if received not in allowed:
            choices = " or ".join(str(value) for value in allowed)
            raise errors.ConfigError(f"{name} must be {choices} in an exported bundle. Received: {received}.")
    if "mrf" in config.style_terms:
        raise errors.ConfigError(
            "style_terms (--style_term) must be without mrf in an exported bundle, which reads the style in the graph. "
            f"Received: {', '.join(config.style_terms)}."
        )


def example_requests(
    goal: objective.Objective, config: configs.StyleTransferConfig, limits: configs.ExportConfig
) -> list[trial_requests.Example]:
    """Small requests on both signatures, with the answers of `transfer.StyleTransfer`."""
    engine = transfer.StyleTransfer(config, extractor=goal.extractor, adjustable=True)  # traced once for all of them

    def answer(content: np.ndarray, style: np.ndarray, steps: int, content_weight: float, seed: int) -> np.ndarray:
        steps = min(steps, limits.max_steps)
        coarse_steps = int(coarse_steps_for(config, steps))
        changed = dataclasses.replace(
            config, steps=steps, coarse_steps=coarse_steps, content_weight=content_weight, seed=seed
        )
        engine.reconfigure(changed)
        return engine(content, style, on_message=lambda _: None).image

    side_px = min(144, config.max_side_px)  # two sizes of the schedule
    contents = trial_requests.pictures(side_px, min(96, config.max_side_px))
    styles = trial_requests.pictures(min(96, side_px), min(120, side_px))[::-1]
    weight = min(config.content_weight or 1.0, limits.max_content_weight / 3)
    controls = {
        "steps": np.array([4, 3], np.int32),
        "content_weight": np.array([weight, 3 * weight], np.float32),
        "seed": np.array([0, 7], np.int32),
    }
    answers = [
        answer(content, style, *(values[i].item() for values in controls.values()))
        for i, (content, style) in enumerate(zip(contents, styles, strict=True))
    ]
    first = {name: values[:1] for name, values in controls.items()}
    encoded = {"content_bytes": trial_requests.encoded(contents), "style_bytes": trial_requests.encoded(styles)}
    encoded["max_side_px"] = np.array([side_px, side_px], np.int32)
    return [
        trial_requests.Example(
            "pictures", "serving_default", encoded | controls, {"stylized_bytes": trial_requests.encoded(answers)}
        ),
        trial_requests.Example(
            "tensors", "stylize_tensor", {"content": contents[0], "style": styles[0]} | first, {"stylized": answers[0]}
        ),
    ]


def coarse_steps_for(config: configs.StyleTransferConfig, steps: tf.Tensor | int) -> tf.Tensor:
    """The coarse_steps of a request for so many steps at the full size, int32.

    Fewer steps leave out as much of the coarse work; more add none to it.
    """
    share = tf.cast(tf.minimum(steps, config.steps), tf.float32) / config.steps
    return tf.maximum(1, tf.cast(tf.round(share * config.coarse_steps), tf.int32))


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
        self._optimised = tf.function(self._optimise, input_signature=[picture, picture, *controls])

    def signatures(self) -> dict[str, Any]:
        """The signatures of the bundle: name -> concrete function."""
        controls = graph_inputs.specs(CONTROLS)
        encoded = graph_inputs.specs(dict.fromkeys(PICTURES, tf.string) | {"max_side_px": tf.int32})
        pixels = {name: tf.TensorSpec([None, None, None, 3], tf.float32, name) for name in ("content", "style")}
        return {
            "serving_default": tf.function(self.stylize_bytes, autograph=False).get_concrete_function(
                **encoded, **controls
            ),
            "stylize_tensor": tf.function(self.stylize_tensor, autograph=False).get_concrete_function(
                **pixels, **controls
            ),
        }

    def stylize_bytes(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded pictures [B] and controls [B] -> encoded pictures [B]."""
        inputs = self._checked(inputs)
        # A picture that does not decode fails its request now, and not after those before it were optimised.
        pictures = {name: inputs[name] for name in (*PICTURES, "max_side_px", "index")}
        shapes = tf.map_fn(
            lambda element: tf.stack([tf.shape(picture) for picture in self._decoded(element)]),
            pictures,
            fn_output_signature=tf.TensorSpec([2, 4], tf.int32),
            parallel_iterations=1,
        )
        with tf.control_dependencies([shapes]):
            inputs = {name: tf.identity(value) for name, value in inputs.items()}

        def stylized(element: graph_inputs.Tensors) -> tf.Tensor:
            content, style = self._decoded(element)
            return graph_pictures.encode(self._stylized(content, style, element))

        encoded = tf.map_fn(stylized, inputs, fn_output_signature=tf.string, parallel_iterations=1)
        return {"stylized_bytes": encoded}

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
        index = element["index"]
        content = graph_pictures.decode(element["content_bytes"], "content_bytes", index, self._limits.max_pixels)
        style = graph_pictures.decode(element["style_bytes"], "style_bytes", index, self._limits.max_pixels)
        max_side_px = tf.clip_by_value(element["max_side_px"], self._stride_px, self._config.max_side_px)
        content = graph_pictures.resize(content, graph_pictures.fit(tf.shape(content)[1:3], max_side_px))
        content = graph_inputs.at_least(content, self._stride_px, "content_bytes", index)
        return content, self._scaled_style(style, content, "style_bytes", index)

    def _scaled_style(self, style: tf.Tensor, content: tf.Tensor, name: str, index: tf.Tensor) -> tf.Tensor:
        """The style picture at the size that the configuration wants beside a content picture."""
        max_side_px = graph_inputs.style_side_px(self._config) or tf.reduce_max(tf.shape(content)[1:3])
        size = graph_pictures.fit(tf.shape(style)[1:3], max_side_px, self._style_stride_px)
        return graph_inputs.at_least(graph_pictures.resize(style, size), self._style_stride_px, name, index)

    def _stylized(self, content: tf.Tensor, style: tf.Tensor, element: graph_inputs.Tensors) -> tf.Tensor:
        seen = graph_colours.before(content, style, self._config.colours)
        image, loss = self._optimised(*seen, *[element[name] for name in CONTROLS])
        rule = "]: the objective is not a finite number at the start"
        radius, epsilon = self._config.guided_filter_radius, self._config.guided_filter_epsilon
        if self._config.strength < 1:  # as `stages.with_own_extremes`
            lost = seen.content - tf.clip_by_value(seen.content, lbfgs.SATURATION, 1 - lbfgs.SATURATION)
            image = tf.clip_by_value(image + (1 - self._config.strength) * lost, 0.0, 1.0)
        image = graph_guided_filter.of_photograph(image, seen.content, radius, epsilon)
        image = graph_pictures.checked(image, tf.math.is_finite(loss), "element[", element["index"], rule)
        return graph_colours.after(image, content, self._config.colours)

    def _optimise(
        self, content: tf.Tensor, style: tf.Tensor, steps: tf.Tensor, content_weight: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One pair, coarse to fine as `transfer.StyleTransfer`: the best image [1, H, W, 3] and its objective."""
        full_size = tf.shape(content)[1:3]
        image, loss, started = content, tf.constant(float("inf")), tf.constant(False)
        for halvings in tf.range(self._config.scales - 1, -1, -1):
            size = graph_pictures.scaled_size(full_size, tf.cast(0.5, tf.float64) ** tf.cast(halvings, tf.float64))
            if halvings == 0 or tf.reduce_min(size) >= schedule.MIN_SIDE_PX:
                style_scale = graph_pictures.at_least(
                    tf.shape(style)[1:3], size[0] / full_size[0], self._style_stride_px
                )
                style_size = graph_pictures.scaled_size(tf.shape(style)[1:3], style_scale)
                stage_content = graph_pictures.resize(content, size)
                stage_style = graph_pictures.resize(style, style_size)
                if started:
                    coarse = graph_pictures.resize(content, tf.shape(image)[1:3])
                    start = stages.enlarged(image, stage_content, coarse, self._config.strength)
                    if self._config.grain:
                        start = stages.grained(start, self._config.grain * self._config.strength, seed)
                else:
                    start = self._start(content, style, size, seed)
                stage_steps = steps if halvings == 0 else self._coarse_steps(steps, halvings, ~started)
                image, loss = self._run_stage(stage_content, stage_style, start, stage_steps, content_weight)
                started = tf.constant(True)
            image = tf.ensure_shape(image, [1, None, None, 3])
        return image, loss

    def _coarse_steps(self, steps: tf.Tensor, halvings: tf.Tensor, is_coarsest: tf.Tensor) -> tf.Tensor:
        """Evaluations at a size before the last: those of `schedule.sizes`, or fewer for a request of few steps."""
        config = self._config
        asked_for = coarse_steps_for(config, steps)
        if config.coarse_growth == 1:
            return asked_for
        table = np.zeros([2, config.scales, config.coarse_steps + 1], np.int32)  # by is_coarsest, halvings, asked_for
        for place in np.ndindex(*table.shape):
            reduced = dataclasses.replace(config, coarse_steps=max(1, place[2]))
            table[place] = schedule.coarse_steps(reduced, max(1, place[1]), is_coarsest=bool(place[0]))
        return tf.gather_nd(table, tf.stack([tf.cast(is_coarsest, tf.int32), halvings, asked_for]))

    def _start(self, content: tf.Tensor, style: tf.Tensor, size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._config.initialisation == "noise":
            shape = tf.concat([[1], size, [3]], 0)
            noise = tf.random.stateless_normal(shape, tf.stack([seed, 0]), 0.5, self._config.noise_stddev)
            return tf.clip_by_value(noise, 0.0, 1.0)
        return graph_pictures.resize(style if self._config.initialisation == "style" else content, size)

    def _run_stage(
        self, content: tf.Tensor, style: tf.Tensor, start: tf.Tensor, steps: tf.Tensor, content_weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Optimises at one size: the best image [1, H, W, 3] and its objective."""
        targets = self._goal.targets(vgg.padded(content, self._stride_px), [style])
        padded_start = vgg.padded(start, self._stride_px)
        shape = tf.shape(padded_start)

        def step(count: tf.Tensor, state: lbfgs.LbfgsState) -> tuple[tf.Tensor, lbfgs.LbfgsState]:
            state, _ = lbfgs.lbfgs_step(
                state,
                shape,
                lambda image: self._goal.terms_and_gradient(image, targets, weights={"content": content_weight}),
            )
            return count + 1, state

        state = lbfgs.lbfgs_start(padded_start, self._config.lbfgs_memory)
        _, state = tf.while_loop(
            lambda count, _: count < steps, step, (tf.constant(0), state), maximum_iterations=self._limits.max_steps
        )
        size = tf.shape(start)[1:3]
        return lbfgs.lbfgs_image(state.z, shape)[:, : size[0], : size[1]], state.loss
