"""Small requests of the method of Gatys et al., with the answers of Python: what a bundle is checked with."""

import dataclasses
from typing import Any

import numpy as np

from nst_tf import configs
from nst_tf.export import gatys_graph, gatys_schedule, graph_masks, trial_requests
from nst_tf.losses import objective
from nst_tf.optimisation import transfer


def example_requests(
    goal: objective.Objective, config: configs.StyleTransferConfig, limits: configs.ExportConfig
) -> list[trial_requests.Example]:
    """Small requests on every signature, with the answers of `transfer.StyleTransfer`."""
    engine = transfer.StyleTransfer(config, extractor=goal.extractor, adjustable=True)  # traced once for all of them

    def answer(
        content: np.ndarray,
        style: Any,
        steps: int,
        content_weight: float,
        seed: int,
        style_blend: tuple[float, ...] = (),
        **given: Any,
    ) -> np.ndarray:
        steps = min(steps, limits.max_steps)
        settings: dict[str, Any] = {
            "coarse_steps": int(gatys_schedule.coarse_steps_for(config, steps)),
            "style_blend": style_blend,
        }
        changed = dataclasses.replace(config, steps=steps, content_weight=content_weight, seed=seed, **settings)
        engine.reconfigure(changed)
        return engine(content, style, on_message=lambda _: None, **given).image

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
    examples = [
        trial_requests.Example(
            "pictures", "serving_default", encoded | controls, {"stylized_bytes": trial_requests.encoded(answers)}
        ),
        trial_requests.Example(
            "tensors", "stylize_tensor", {"content": contents[0], "style": styles[0]} | first, {"stylized": answers[0]}
        ),
    ]
    if not gatys_graph.takes_several(config, limits):
        return examples
    small = min(96, config.max_side_px)  # one size of the schedule
    one: dict[str, Any] = {name: value.item() for name, value in first.items()}
    masks = trial_requests.masks(contents[1])
    given: dict[str, Any] = {"style_masks": masks.styles, "keep_mask": masks.keep}
    several = first | {
        "content_bytes": encoded["content_bytes"][1:],
        "style_bytes": encoded["style_bytes"][np.newaxis],
        "max_side_px": np.array([small], np.int32),
    }
    blend = {"style_blend": np.array([trial_requests.BLEND], np.float32)}
    regions = {
        graph_masks.STYLE: trial_requests.encoded(masks.styles)[np.newaxis],
        graph_masks.KEEP: trial_requests.encoded([masks.keep]),
    }
    blended = answer(contents[1], styles, **one, style_blend=trial_requests.BLEND)
    in_regions = answer(contents[1], styles, **one, **given)
    return [
        *examples,
        trial_requests.Example(
            "blend", "stylize_blend", several | blend, {"stylized_bytes": trial_requests.encoded([blended])}
        ),
        trial_requests.Example(
            "regions", "stylize_regions", several | regions, {"stylized_bytes": trial_requests.encoded([in_regions])}
        ),
    ]
