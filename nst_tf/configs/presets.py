"""The presets: named sets of settings, each with what its ratio alpha/beta refers to; the qualities of two of them.

Imports no TensorFlow.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A named set of settings: one line for people, and what differs from the defaults of the config."""

    summary: str
    settings: dict[str, Any]


# Without the terms against specks, a frame and a crosshatch, which no paper or other system has.
WITHOUT_CLEANING: Mapping[str, Any] = types.MappingProxyType(
    {"specks_weight": 0.0, "frame_weight": 0.0, "crosshatch_weight": 0.0}
)
_FILTERS = (64, 128, 256, 512, 512)  # N of conv1_1 to conv5_1, the style layers of every preset

# Each preset states the network and the reduction that its alpha/beta refers to, since its strength depends on both.
PRESETS: dict[str, Preset] = {
    "default": Preset(
        summary="the best-looking picture for most pairs: ratio 4e-3, mean-reduced, normalised network",
        settings={},
    ),
    # A photograph in the colours and light of another: fifty times the content of Gatys et al., and what keeps lines
    # and grain where they were. Chosen by looking: benchmarks/RESULTS.md, docs/photographs.md.
    "photo": Preset(
        summary="a photograph that stays one: ratio 5e-2, two sizes, the matting term, the guided filter",
        settings={
            **WITHOUT_CLEANING,
            "content_weight": 1.0,
            "style_weight": 20.0,
            "scales": 2,
            "total_variation_weight": 0.0,
            "photorealism_weight": 1000.0,
            "content_detail": 0.0,  # its filter gives the detail back
            "guided_filter_radius": 0.1,
            "guided_filter_epsilon": 1e-2,
        },
    ),
    # The authors' published code for the normalised network: 1e6 * mean((F-P)^2) + sum_l 1e9/5 * mean((G/M-A/M)^2),
    # L-BFGS, 500 iterations; only the ratio matters to the result. Average pooling is the paper's.
    "gatys": Preset(
        summary="Gatys et al. 2016: ratio 1e-3, mean-reduced, normalised network, 500 steps",
        settings={
            **WITHOUT_CLEANING,
            "content_weight": 1.0,
            "style_weight": 1e3,
            "steps": 500,
            "scales": 1,
            "total_variation_weight": 0.0,
        },
    ),
    # The authors' published code for the original network: mean((F-P)^2) + sum_l 1e3/N_l^2 * mean((G/M-A/M)^2).
    "gatys-original": Preset(
        summary="the authors' weights for the original network: 1 and 1e3/N^2 per layer, mean-reduced, 500 steps",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "content_weight": 1.0,
            "style_weight": 1e3,
            "style_layer_weights": tuple(1 / n**2 for n in _FILTERS),
            "steps": 500,
            "scales": 1,
            "total_variation_weight": 0.0,
        },
    ),
    # alpha/beta of the preset gatys carried over to the literal sums at 512 x 512: the content term has
    # N M = 512 * 64^2 entries and the factor 1/2, the style term the factor 1/4.
    "equations": Preset(
        summary="eq. 1 to 7 to the letter: alpha/beta 2.4e-10, the strength of gatys at 512 x 512 px",
        settings={
            **WITHOUT_CLEANING,
            "reduction": "equations",
            "content_weight": 1.0,
            "style_weight": 4e3 * 512 * 64**2 / 2,
            "steps": 500,
            "scales": 1,
            "total_variation_weight": 0.0,
        },
    ),
    # neural_style.lua 053a6e3: 5 mean((F-P)^2) + 100 sum_l mean((G/(N M) - A/(N M))^2), which is w_l = 1/N^2 here.
    "neural-style": Preset(
        summary="jcjohnson/neural-style: original network, max pooling, white noise, its total variation",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "pooling": "max",
            "initialisation": "noise",
            "noise_stddev": 1e-3 / 255,
            "content_weight": 5.0,
            "style_weight": 100.0,
            "style_layer_weights": tuple(1 / n**2 for n in _FILTERS),
            "total_variation": "squared-sum",
            "total_variation_weight": 1e-3,
            "steps": 1000,
            "scales": 1,
        },
    ),
    # Style weight 1e-2 over five layers, content weight 1e4, both of means; 10 epochs of 100 steps of Adam.
    "tensorflow-tutorial": Preset(
        summary="the TensorFlow tutorial: original network, max pooling, content from block5_conv2, Adam",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "pooling": "max",
            "content_layers": ("conv5_2",),
            "content_weight": 1e4,
            "style_weight": 1e-2,
            "total_variation": "absolute-sum",
            "total_variation_weight": 30.0,
            "optimizer": "adam",
            "learning_rate": 0.02,
            "beta_1": 0.99,
            "epsilon": 0.1,
            "steps": 1000,
            "scales": 1,
        },
    ),
    # Sums: 2.5e-8 sum (F-P)^2 + 1e-6/5 sum_l sum (G-A)^2 / (4 * 3^2 (H W)^2), with H W of the image and G, A literal.
    # Eq. 4 divides by 4 N^2 M^2 instead, and M = H W / 4^(b-1) in block b.
    # Deviation: L-BFGS in place of 4000 steps of gradient descent on the same objective.
    "keras-example": Preset(
        summary="the keras.io example: original network, max pooling, content from block5_conv2, sums, 400 px",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "pooling": "max",
            "reduction": "equations",
            "content_layers": ("conv5_2",),
            "content_weight": 2 * 2.5e-8,
            "style_weight": 1e-6 / 5 / 3**2,
            "style_layer_weights": tuple(float(n**2) / 16 ** (b - 1) for b, n in enumerate(_FILTERS, 1)),
            "total_variation": "power-sum",
            "total_variation_weight": 1e-6,
            "max_side_px": 400,
            "steps": 500,
            "scales": 1,
        },
    ),
    # Li & Wand 2016 with the paper's constants, content and patches both as sums: sum (F-P)^2 is twice eq. 1, and the
    # term is the mean over its two layers where the paper adds them.
    "mrf": Preset(
        summary="Li & Wand 2016: patches at every position, turned and scaled, original network, 384 px",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "pooling": "max",
            "initialisation": "noise",
            "style_terms": ("mrf",),
            "style_term_weights": (1.0,),
            "style_weight": 2.0,
            "mrf_form": "patch-sum",
            "mrf_stride": 1,
            "mrf_rotation_steps": 2,
            "mrf_scale_steps": 1,
            "reduction": "equations",
            "content_weight": 2.0,
            "total_variation": "squared-sum",
            "total_variation_weight": 1e-3,
            "max_side_px": 384,
            "steps": 200,
            "coarse_steps": 200,
        },
    ),
    # cnnmrf.lua fddcf4d: 20 mean((F-P)^2) at relu4_1 and 1e-4 of half the sum at each of the two layers. Its patches
    # are a sum and its content is a mean, so the ratio holds at about 384 px.
    # Deviation: steps of L-BFGS are tested against the objective, where the code takes each with a fixed length.
    "mrf-code": Preset(
        summary="chuanli11/CNNMRF: every second position, gradients averaged over patches, original network, 384 px",
        settings={
            **WITHOUT_CLEANING,
            "network": "original",
            "pooling": "max",
            "style_terms": ("mrf",),
            "style_term_weights": (1.0,),
            "style_weight": 2e-4,
            "mrf_form": "position-sum",
            "content_layers": ("conv4_1",),
            "content_weight": 20.0,
            "total_variation": "squared-sum",
            "total_variation_weight": 1e-3,
            "max_side_px": 384,
            "lbfgs_memory": 25,
        },
    ),
}

# How much work a picture gets: what is left open by the preset and by the caller. Times are those of the full schedule,
# a hundred evaluations at each of three sizes. Measured in benchmarks/RESULTS.md.
QUALITIES: dict[str, Preset] = {
    "draft": Preset(
        summary="a sketch, with a tenth of the work of a hundred evaluations at each size",
        settings={"steps": 3, "coarse_steps": 18, "coarse_growth": 3.0, "content_detail": 1.0},
    ),
    "good": Preset(
        summary="with a third of that work",
        settings={"steps": 30, "coarse_steps": 20, "coarse_growth": 4.0, "content_detail": 1.0},
    ),
    "best": Preset(
        summary="each size goes on until the picture stands still",
        settings={
            "steps": 500,
            "coarse_steps": 200,
            "content_detail": 1.0,
            "patience": 20,
            "min_improvement": 0.0,
            "min_change_levels": 2.0,
        },
    ),
}
QUALITY_PRESETS = ("default", "photo")  # the others have the evaluations of their papers and systems
DEFAULT_QUALITY = "good"
_FULL = {
    "steps": 100,
    "coarse_steps": 100,
    "coarse_growth": 1.0,
    "content_detail": 0.0,
    "patience": 0,
    "min_improvement": 0.01,
    "min_change_levels": 0.0,
}


def work(quality: str | None) -> dict[str, Any]:
    """The settings that a quality decides, each with its value.

    Args:
        quality: a key of `QUALITIES`; None for what is not measured in qualities, every size in full.
    """
    return _FULL | (QUALITIES[quality].settings if quality else {})
