"""The settings that the page offers, read from the configurations: no setting is listed a second time."""

import dataclasses
import types
from typing import Any

from nst_tf import configs
from nst_tf.configs import fields
from nst_tf.serving.page import orders

# What the page's sliders are, each the first of these settings that a method has; the page leaves out those it lacks.
SLIDERS = {
    "strength": ("strength",),
    "stroke_size": ("style_max_side_px",),
    "colours": ("colours",),
    "quality": ("quality", "steps"),
    "size": ("max_side_px",),
}


def described(app: configs.AppConfig) -> dict[str, Any]:
    """Every method with its sliders and its settings, the presets and the server's limits, fit for JSON."""
    masked = configs.StylizeCommand.__dataclass_fields__["style_masks"].metadata["methods"]
    return {
        "methods": {
            method: {
                "is_quick": method in orders.QUICK,
                "takes_masks": not masked or method in masked,
                "sliders": _sliders(config_class),
                "settings": [
                    _setting(field, getattr(config_class(), field.name), app)
                    for field in dataclasses.fields(config_class)
                    if orders.may_set(field)
                ],
            }
            for method, config_class in orders.CONFIGS.items()
        },
        "presets": {
            name: {"summary": preset.summary, "usual": dataclasses.asdict(configs.preset(name))}
            for name, preset in configs.PRESETS.items()
        },
        "limits": {
            "max_upload_mb": app.max_upload_mb,
            "max_upload_megapixels": app.max_upload_megapixels,
            "max_side_px": app.max_side_px,
        },
    }


def _sliders(config_class: type[Any]) -> dict[str, str]:
    """Slider -> the setting that it moves."""
    names = {field.name for field in dataclasses.fields(config_class)}
    found = {slider: next((name for name in among if name in names), None) for slider, among in SLIDERS.items()}
    return {slider: name for slider, name in found.items() if name}


def _setting(field: dataclasses.Field[Any], usual: Any, app: configs.AppConfig) -> dict[str, Any]:
    declared: Any = field.type
    kind = declared.__args__[0] if isinstance(declared, types.UnionType) else declared
    is_list = isinstance(kind, types.GenericAlias)
    choices = tuple(configs.PRESETS) if field.name == "preset" else field.metadata["choices"]
    if field.name == "initialisation":
        choices = configs.STARTS
    described = {
        "name": field.name,
        "flag": field.metadata["flag"] or field.name,
        "group": field.metadata["group"],
        "help": field.metadata["help"],
        "example": field.metadata["example"],
        "kind": kind.__args__[0].__name__ if is_list else kind.__name__,
        "is_list": is_list,
        "default": usual,
        "choices": choices,
        "low": field.metadata["low"],
        "high": field.metadata["high"],
        "above": field.metadata["above"],
        "range": fields.describe_range(field) if not is_list and kind in (int, float) else "",
    }
    if field.name == "max_side_px":
        described |= {"high": app.max_side_px}
    return described
