"""absl flags generated from a configuration dataclass, so that a setting and its default exist once."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, TypeVar

from absl import flags

from nst_tf import configs
from nst_tf.configs import fields

Config = TypeVar("Config")  # a dataclass whose fields are made by `fields.setting`


def define(*config_classes: type[Any]) -> None:
    """Defines a flag for every field, once where several classes have it; a tuple becomes a comma-separated list."""
    for field in {flag_name(field): field for c in config_classes for field in dataclasses.fields(c)}.values():
        name, kind, text = flag_name(field), _kind(field), field.metadata["help"]
        choices = field.metadata["choices"]
        default: Any = field.default
        if choices:
            flags.DEFINE_enum(name, default, choices, text)
        elif kind is int:
            flags.DEFINE_integer(name, default, text)
        elif kind is float:
            flags.DEFINE_float(name, default, text)
        elif kind is str:
            flags.DEFINE_string(name, default, text)
        else:
            flags.DEFINE_list(name, None if default is None else [str(item) for item in default], text)
    flags.disclaim_key_flags()


def config_from_flags(config_class: type[Config]) -> Config:
    """The configuration with every flag that was given on the command line, on top of --preset where it has one."""
    given: dict[str, Any] = {}
    declared = dataclasses.fields(config_class)  # type: ignore[arg-type]  # a TypeVar cannot ask for a dataclass
    for field in declared:
        flag = flags.FLAGS[flag_name(field)]
        if flag.present and field.name != "preset":
            given[field.name] = _value(field, flag.value)
    if "preset" in {field.name for field in declared}:
        return configs.preset(str(flags.FLAGS["preset"].value), **given)  # type: ignore[return-value]
    return config_class(**given)


def help_rows(config_class: type[Any]) -> dict[str, list[tuple[str, str]]]:
    """The fields as rows for `program.render_help`: group -> [(--flag=EXAMPLE, text with range and default)]."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for field in dataclasses.fields(config_class):
        facts = []
        if field.metadata["choices"]:
            facts.append("one of " + ", ".join(field.metadata["choices"]))
        elif _kind(field) in (int, float):
            facts.append(fields.describe_range(field))
        if field.default not in ((), None):
            default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else f"{field.default}"
            facts.append(f"default {default}")
        text = field.metadata["help"] + (f" ({'; '.join(facts)})" if facts else "")
        groups.setdefault(field.metadata["group"], []).append(
            (f"--{flag_name(field)}={field.metadata['example']}", text)
        )
    return groups


def flag_names(config_class: type[Any]) -> set[str]:
    """The flags of a configuration."""
    return {flag_name(field) for field in dataclasses.fields(config_class)}


def check_method(method: str, names: Mapping[str, set[str]]) -> None:
    """Refuses flags of another method.

    Args:
        method: the one that was chosen.
        names: method -> every flag it has.
    """
    for other, foreign in names.items():
        for name in sorted(foreign - names[method]):
            if flags.FLAGS[name].present:
                raise flags.IllegalFlagValueError(
                    f"--{name} is a flag of --method={other}. Received: --method={method}. Leave it out."
                )


def flag_name(field: dataclasses.Field[Any]) -> str:
    """The flag of a field: its own name unless the field says otherwise."""
    return field.metadata["flag"] or field.name


def _kind(field: dataclasses.Field[Any]) -> Any:
    declared: Any = field.type
    return declared.__args__[0] if isinstance(declared, types.UnionType) else declared


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    """A list flag's strings in the type of the field's items."""
    if not isinstance(value, list):
        return value
    item_type = _kind(field).__args__[0]
    try:
        return tuple(item_type(item.strip()) for item in value)
    except ValueError:
        raise flags.IllegalFlagValueError(
            f"--{flag_name(field)} takes numbers with commas between them. Received: {','.join(value)!r}. "
            f"Example: --{flag_name(field)}={field.metadata['example']}"
        ) from None
