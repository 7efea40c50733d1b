"""The statistics by which a style is compared: their names, and how strong each is. Imports no TensorFlow."""

from collections.abc import Sequence

from nst_tf import errors

PATCH_SIDE = 3  # positions of a patch along a side; `losses.patches` has its source

# Name -> what style_weight is multiplied by unless style_term_weights says so. w2 and moments: somewhat below the 2 and
# 2.5 at which their gradients are as large as that of the Gram matrices, since less of a portrait was left there. mrf:
# by eye, since its loss never comes near 0; at 0.04 nothing of the portrait was left. See benchmarks/RESULTS.md.
STYLE_TERMS = {"gram": 1.0, "mrf": 0.01, "w2": 1.0, "moments": 2.0}
MRF_FORMS = ("mean", "patch-sum", "position-sum")  # of `losses.patches`


def check(names: Sequence[str], weights: Sequence[float], style_blend: Sequence[float], strength: float) -> None:
    """Checks which statistics were chosen, and how they are weighted.

    Raises:
        ConfigError: none, an unknown one or one twice; another number of weights; shares of styles or a strength for
            patches, which have no mean.
    """
    if not names or len(set(names)) != len(names) or not set(names) <= set(STYLE_TERMS):
        raise errors.ConfigError(
            f"style_terms (--style_term) must be some of {', '.join(STYLE_TERMS)}, each once. "
            f"Received: {', '.join(names) or 'none'}."
        )
    if weights and len(weights) != len(names):
        raise errors.ConfigError(
            f"style_term_weights needs one weight for each of the {len(names)} style terms. Received: {len(weights)}. "
            "Leave it out for weights of equal strength."
        )
    if style_blend and "mrf" in names:
        raise errors.ConfigError(
            "style_blend has no meaning for style_terms (--style_term) with mrf, whose patches come from all styles "
            f"alike. Received: {','.join(map(str, style_blend))}. Leave it out."
        )
    if strength < 1 and "mrf" in names:
        raise errors.ConfigError(
            "strength must be 1 for style_terms (--style_term) with mrf, since patches of content and style have no "
            f"mean. Received: {strength}. Use a smaller style_weight."
        )
