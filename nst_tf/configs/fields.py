"""What a setting is: a dataclass field whose metadata defines its flag, help and checks. Imports no TensorFlow."""

import dataclasses
import math
import types
from typing import Any, Literal

from nst_tf import errors


def setting(
    default: Any,
    *,
    group: str,
    help: str,
    example: str,
    flag: str | None = None,
    alias: str | None = None,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[Any, ...] | None = None,
    required: bool = False,
    path: Literal["input", "output", "folder", "store"] | None = None,
    methods: tuple[str, ...] = (),
) -> Any:
    """A dataclass field whose metadata generates its flag, its help and its checks.

    Args:
        default: its value unless another is given.
        group: the heading of its row in --help.
        help: what it does, for people.
        example: the value that its row in --help shows.
        flag: the name of its flag, if that is not the field's name.
        alias: another name of its flag.
        low: the smallest number allowed.
        high: the largest number allowed.
        above: the number that it must exceed.
        choices: the values allowed.
        required: whether a command refuses to start without it.
        path: what it names on disk: a file to read, a file to write, or a folder to write into; a store is a folder
            that may also lie in an object store.
        methods: the methods that have it; empty for all.
    """
    metadata = {
        "group": group,
        "help": help,
        "example": example,
        "flag": flag,
        "alias": alias,
        "low": low,
        "high": high,
        "above": above,
        "choices": choices,
        "required": required,
        "path": path,
        "methods": methods,
    }
    return dataclasses.field(default=default, metadata=metadata)


def like(config_class: type[Any], name: str, **changes: Any) -> Any:
    """A field that copies a setting of another configuration, except for the changes."""
    field = config_class.__dataclass_fields__[name]
    return setting(**{"default": field.default, **field.metadata, **changes})


def check(config: Any) -> None:
    """Converts every field made by `setting` to its declared type and checks its range and its choices.

    Args:
        config: a frozen dataclass, from its __post_init__.

    Raises:
        ConfigError: a value has the wrong type or is out of range.
    """
    for field in dataclasses.fields(config):
        value = _as_declared(field, getattr(config, field.name))
        _check_range(field, value)
        if field.metadata["path"] in ("output", "folder") and "://" in value:
            raise errors.ConfigError(
                f"{label(field)} must lie on this machine. Received: {value}. Write it here and copy it; only nst-tf "
                "batch writes into object stores."
            )
        object.__setattr__(config, field.name, value)


def check_blend(shares: tuple[float, ...]) -> None:
    """Checks the shares of several styles.

    Raises:
        ConfigError: no share is above 0.
    """
    if shares and sum(shares) == 0:
        raise errors.ConfigError("style_blend must have a share above 0. Received: only zeros.")


def label(field: dataclasses.Field[Any]) -> str:
    """The name of a setting in messages: its field, and its flag where that differs."""
    return f"{field.name} (--{field.metadata['flag']})" if field.metadata["flag"] else field.name


def describe_range(field: dataclasses.Field[Any]) -> str:
    """The range of a numeric field in words, such as `at least 0`; `a finite number` if it has no bound."""
    low, high, above = (field.metadata[key] for key in ("low", "high", "above"))
    parts = [f"at least {low}"] if low is not None else []
    parts += [f"above {above}"] if above is not None else []
    parts += [f"at most {high}"] if high is not None else []
    return " and ".join(parts) or "a finite number"


def _as_declared(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value in its field's declared type, or a ConfigError: flags and JSON bring lists, ints and numpy scalars."""
    declared = field.type
    kinds = declared.__args__ if isinstance(declared, types.UnionType) else (declared,)
    if value is None and type(None) in kinds:
        return None
    kind = kinds[0]
    if isinstance(value, (tuple, list)) and any(isinstance(one, types.GenericAlias) for one in kinds):
        if len(value) == 1 and not isinstance(kind, types.GenericAlias):  # one for all
            return _as_declared(field, value[0])
        kind = next(one for one in kinds if isinstance(one, types.GenericAlias))
    if kind is str and isinstance(value, str):
        return value
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and _is_number(value) and float(value).is_integer():
        return int(value)
    if kind is float and _is_number(value):
        return float(value)
    if isinstance(kind, types.GenericAlias) and isinstance(value, (tuple, list)):
        if kind.__args__[0] is str and all(isinstance(item, str) for item in value):
            return tuple(value)
        if kind.__args__[0] is float and all(map(_is_number, value)):
            return tuple(float(item) for item in value)
        if kind.__args__[0] is int and all(_is_number(item) and float(item).is_integer() for item in value):
            return tuple(int(item) for item in value)
    raise errors.ConfigError(
        f"{label(field)} must be of type {getattr(kind, '__name__', kind)}. "
        f"Received: {errors.one_line(_described(value))}."
    )


def _is_number(value: Any) -> bool:
    """Whether a value is a number that a float can hold; JSON has integers that no float can."""
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        return False
    try:
        float(value)
    except (OverflowError, TypeError, ValueError):
        return False
    return True


def _described(value: object) -> str:
    try:
        return repr(value)
    except (RecursionError, ValueError):  # nested too deeply; more digits than Python prints
        return f"a value of type {type(value).__name__} that cannot be shown"


def _check_range(field: dataclasses.Field[Any], value: Any) -> None:
    """Checks choices and numeric range; a ConfigError names the rule and the value."""
    choices = field.metadata["choices"]
    if choices and value is not None and value not in choices:
        raise errors.ConfigError(f"{label(field)} must be one of {', '.join(map(str, choices))}. Received: {value!r}.")
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, (int, float)) and (not math.isfinite(item) or not _inside(field, item)):
            raise errors.ConfigError(f"{label(field)} must be {describe_range(field)}. Received: {item}.")


def _inside(field: dataclasses.Field[Any], number: float) -> bool:
    low, high, above = (field.metadata[key] for key in ("low", "high", "above"))
    return (low is None or number >= low) and (high is None or number <= high) and (above is None or number > above)
