"""absl flags generated from configuration dataclasses, so that a flag, its default and its help exist once.

Every flag of every command is a field made by `fields.setting`: the settings of a method, and the files, folders and
reports of a command (`configs.commands`).
"""

import dataclasses
import glob
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from nst_tf import configs, files
from nst_tf.configs import fields

Config = TypeVar("Config")  # a dataclass whose fields are made by `fields.setting`


# How a list of files is written, in every command's help.
_LIST_OF_FILES = "may be given several times; a file whose own name holds a comma is tried first"

_paths: dict[str, str] = {}  # flag -> what it names on disk, of every flag that was defined


def define(*config_classes: type[Any]) -> None:
    """Defines a flag for every field, once where several classes have it.

    A tuple becomes a list, with commas between its items; given twice, the flag's lists are joined.
    """
    for field in {flag_name(field): field for c in config_classes for field in dataclasses.fields(c)}.values():
        name, kind, text = flag_name(field), _kind(field), field.metadata["help"]
        choices = field.metadata["choices"]
        default: Any = field.default
        if choices:
            default = None if default is None else str(default)
            flags.DEFINE_enum(name, default, [str(choice) for choice in choices], text)
        elif kind is bool:
            flags.DEFINE_bool(name, default, text)
        elif kind is int:
            flags.DEFINE_integer(name, default, text)
        elif kind is float:
            flags.DEFINE_float(name, default, text)
        elif kind is str:
            flags.DEFINE_string(name, default, text)
        else:
            flags.DEFINE_multi_string(name, None if default is None else [str(item) for item in default], text)
        if field.metadata["alias"]:
            flags.DEFINE_alias(field.metadata["alias"], name)
        if field.metadata["path"]:
            _paths[name] = field.metadata["path"]
    flags.disclaim_key_flags()


def config_from_flags(config_class: type[Config]) -> Config:
    """The configuration with every flag that was given on the command line, on top of --preset where it has one.

    Raises:
        flags.IllegalFlagValueError: a required flag is missing, or a list of numbers holds something else.
        errors.OutputError: a file to write, of whatever flag, is also one to read.
    """
    given: dict[str, Any] = {}
    declared = dataclasses.fields(config_class)  # type: ignore[arg-type]  # a TypeVar cannot ask for a dataclass
    for field in declared:
        flag = flags.FLAGS[flag_name(field)]
        value = _value(field, flag.value) if flag.present else None
        if field.metadata["required"] and not value:
            raise flags.IllegalFlagValueError(f"--{flag.name} is missing")
        if flag.present and field.name != "preset":
            given[field.name] = value
    _check_outputs()
    if "preset" in {field.name for field in declared}:
        return configs.preset(str(flags.FLAGS["preset"].value), **given)  # type: ignore[return-value]
    return config_class(**given)


def help_rows(
    *config_classes: type[Any], details: Mapping[str, str] | None = None, selector: str = "method"
) -> dict[str, list[tuple[str, str]]]:
    """The fields as rows for `program.render_help`: group -> [(--flag=EXAMPLE, text with range and default)].

    Args:
        config_classes: the configurations; a group that several have is one group.
        details: field -> what the program adds to its facts, such as the formats it can write.
        selector: the flag that chooses among methods.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for field in (field for config_class in config_classes for field in dataclasses.fields(config_class)):
        facts = ["required"] if field.metadata["required"] else []
        facts += [f"with --{selector}={' or '.join(field.metadata['methods'])}"] if field.metadata["methods"] else []
        if field.metadata["choices"]:
            facts.append("one of " + ", ".join(map(str, field.metadata["choices"])))
        elif _kind(field) in (int, float):
            facts.append(fields.describe_range(field))
        if field.metadata["path"] == "input" and _kind(field) is not str:
            facts.append(_LIST_OF_FILES)
        facts += [details[field.name]] if details and field.name in details else []
        if field.default not in ("", (), None) and _kind(field) is not bool:
            default = ",".join(map(str, field.default)) if isinstance(field.default, tuple) else f"{field.default}"
            facts.append(f"default {default}")
        text = field.metadata["help"] + (f" ({'; '.join(facts)})" if facts else "")
        example = "" if _kind(field) is bool else f"={field.metadata['example']}"
        groups.setdefault(field.metadata["group"], []).append((f"--{flag_name(field)}{example}", text))
    return groups


def rows_of_other_methods(
    method_classes: Mapping[str, type[Any]], first: str, *, selector: str = "method"
) -> dict[str, list[tuple[str, str]]]:
    """What the other methods add to the settings of the first or start from, and which of the first's they share.

    Args:
        method_classes: method -> its configuration.
        first: the method whose settings are explained in full elsewhere in the help.
        selector: the flag that chooses among methods.
    """
    groups = {}
    for method, config_class in method_classes.items():
        if method != first:
            defaults, of_first = _defaults(config_class), _defaults(method_classes[first])
            shared = {name for name, default in defaults.items() if name in of_first and of_first[name] == default}
            own = [row for rows in help_rows(config_class).values() for row in rows]
            groups[f"Settings of --{selector}={method}"] = [
                *(row for row in own if row[0].partition("=")[0].removeprefix("--") not in shared),
                ("and of the above", ", ".join(f"--{name}" for name in sorted(shared))),
            ]
    return groups


def _defaults(config_class: type[Any]) -> dict[str, Any]:
    """Flag -> default."""
    return {flag_name(field): field.default for field in dataclasses.fields(config_class)}


def flag_names(config_class: type[Any]) -> set[str]:
    """The flags of a configuration."""
    return {flag_name(field) for field in dataclasses.fields(config_class)}


def check_method(
    method: str, command: type[Any], method_classes: Mapping[str, type[Any]], *, selector: str = "method"
) -> None:
    """Refuses flags of another method.

    Args:
        method: the one that was chosen.
        command: the command's own flags; a field's metadata names the methods that have it.
        method_classes: method -> the configuration whose flags it has.
        selector: the flag that chooses among methods.

    Raises:
        flags.IllegalFlagValueError: a flag was given that the method does not have.
    """
    names = {name: flag_names(config_class) for name, config_class in method_classes.items()}
    for field in dataclasses.fields(command):
        for owner in field.metadata["methods"]:
            names[owner].add(flag_name(field))
    for other, foreign in names.items():
        for name in sorted(foreign - names[method]):
            if flags.FLAGS[name].present:
                raise flags.IllegalFlagValueError(
                    f"--{name} is a flag of --{selector}={other}. Received: --{selector}={method}. Leave it out."
                )


def flag_name(field: dataclasses.Field[Any]) -> str:
    """The flag of a field: its own name unless the field says otherwise."""
    return field.metadata["flag"] or field.name


def _kind(field: dataclasses.Field[Any]) -> Any:
    """The type of a flag's value; of a number or several the list, whose flag takes one, too."""
    declared: Any = field.type
    kinds = declared.__args__ if isinstance(declared, types.UnionType) else (declared,)
    return next((kind for kind in kinds if isinstance(kind, types.GenericAlias)), kinds[0])


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    """A flag's value in the type of its field: an enum's string as a number, a list's strings as its items."""
    if field.metadata["choices"]:
        return _kind(field)(value)
    if field.metadata["path"]:
        paths = _as_paths(value, field.metadata["path"])
        return paths if isinstance(value, list) else "".join(paths)
    if not isinstance(value, list):
        return value
    item_type = _kind(field).__args__[0]
    try:
        return tuple(item_type(item) for text in value for item in _items(text))
    except ValueError:
        raise flags.IllegalFlagValueError(
            f"--{flag_name(field)} takes numbers with commas between them. Received: {','.join(value)!r}. "
            f"Example: --{flag_name(field)}={field.metadata['example']}"
        ) from None


def _as_paths(value: str | Sequence[str], kind: str) -> tuple[str, ...]:
    """The paths in a flag's value; a name as it was given comes first where it names something to read."""
    reads = kind == "input"
    paths: list[str] = []
    for text in [value] if isinstance(value, str) else value:
        is_whole = isinstance(value, str) or (reads and _names_something(files.expanded(text, exists=True)))
        paths += [files.expanded(name, exists=reads) for name in ([text] if is_whole else _items(text))]
    return tuple(path for path in paths if path)


def _items(text: str) -> list[str]:
    """What is between the commas of a list; quotes hold an item with commas in it together."""
    return list(flags.ListParser().parse(text)) if text else []


def _names_something(path: str) -> bool:
    return os.path.lexists(path) or (glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None)


def _check_outputs() -> None:
    """Refuses a file to write that is also one to read, whichever flags of the command name them."""
    given: dict[str, list[str]] = {"input": [], "output": [], "folder": [], "store": []}
    for name, kind in _paths.items():
        if flags.FLAGS[name].present:
            given[kind] += _as_paths(flags.FLAGS[name].value or (), kind)
    files.check_not_read(given["output"], given["input"])
