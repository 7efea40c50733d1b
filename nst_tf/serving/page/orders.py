"""What a page or a program asks for, checked by the configurations of the command line.

An order is JSON: method, content, style (a list), style_masks (a list), and settings, which are fields of the method's
configuration. Pictures are named by reference: `sample:NAME`, `picture:ID` of the same visit, and `style:NAME` of a
learned style. A name from outside is never a path.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from nst_tf import configs, errors
from nst_tf.configs import fields
from nst_tf.pictures import samples
from nst_tf.weights import known_styles

# The methods that the page has. One more, one-style, draws styles from files of the user, which no upload is.
CONFIGS: dict[str, type[Any]] = {
    "gatys": configs.StyleTransferConfig,
    "adain": configs.AdainConfig,
    "multi-style": configs.MultiStyleConfig,
    "recolour": configs.RecolourConfig,
}
PICTURE = "picture:"
QUICK = ("adain", "multi-style", "recolour")  # one pass: done between two steps of an optimisation
SERVERS_GROUPS = ("Machine", "Reports")  # whose settings are the server's, not a visitor's
_KEYS = ("method", "content", "style", "style_masks", "settings")
_MOST_STYLES = 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """A checked order.

    Attributes:
        command: content, styles, masks and method, as `nst-tf stylize` has them; output names a file for the record.
        config: the method's settings.
        settings: those that were asked for.
    """

    command: configs.StylizeCommand
    config: Any
    settings: Mapping[str, Any]

    @property
    def is_quick(self) -> bool:
        """Whether it takes seconds."""
        return self.command.method in QUICK

    @property
    def references(self) -> tuple[str, ...]:
        """Every picture it names."""
        return (self.command.content, *self.command.style, *self.command.style_masks)


def read(asked: Any, app: configs.AppConfig) -> Order:
    """Checks an order as the command line checks its flags.

    Args:
        asked: what the JSON says, of whatever form.
        app: the largest size.

    Raises:
        NstError: an unknown key, a reference that is none, or a setting that the method does not have or take.
    """
    if not isinstance(asked, Mapping) or not isinstance(asked.get("settings", {}), Mapping):
        raise errors.ConfigError(f"an order must be a JSON object with {', '.join(_KEYS)}. Received: {_brief(asked)}.")
    for key in asked:
        if key not in _KEYS:
            raise errors.ConfigError(
                f"an order has {', '.join(_KEYS)}. Received: {_brief(key)}.{errors.did_you_mean(str(key), _KEYS)}"
            )
    named = {key: asked[key] for key in ("method", "content", "style", "style_masks") if key in asked}
    command = configs.StylizeCommand(**named, output="out.png")
    _check_references(command)
    config = _config(command.method, dict(asked.get("settings", {})))
    if config.max_side_px and config.max_side_px > app.max_side_px:
        raise errors.ConfigError(
            f"max_side_px (--size) must be at most {app.max_side_px} on this server. Received: {config.max_side_px}. "
            "Use the command line for larger pictures, or start the server with a larger --max_size."
        )
    return Order(command=command, config=config, settings=asked.get("settings", {}))


def may_set(field: dataclasses.Field[Any]) -> bool:
    """Whether a visitor may choose a setting: none that names a file here, and none of the server's machine."""
    return field.metadata["group"] not in SERVERS_GROUPS and (not field.metadata["path"] or field.name in _NAMED)


_NAMED = {"initialisation": configs.STARTS}  # settings that may name a file, with what else they may be


def command_line(order: Order, names: Mapping[str, str], output: str) -> str:
    """The command that repeats an order, for a shell.

    Args:
        order: the order.
        names: reference -> what its file is called, of every uploaded picture.
        output: the name of its result.
    """
    command, config = order.command, order.config
    words = [f"--content={names.get(command.content, command.content)}"]
    words += [f"--style={','.join(names.get(style, style) for style in command.style)}"]
    if command.style_masks:
        words += [f"--style_masks={','.join(names.get(mask, mask) for mask in command.style_masks)}"]
    if command.method != configs.StylizeCommand.method:
        words += [f"--method={command.method}"]
    words += [
        f"--{field.metadata['flag'] or field.name}={_value(getattr(config, field.name))}"
        for field in dataclasses.fields(config)
        if field.name in order.settings and getattr(config, field.name) is not None
    ]
    return shlex.join(["nst-tf", "stylize", *words, f"--output={output}"])


def _config(method: str, settings: dict[str, Any]) -> Any:
    """The method's configuration with these settings."""
    if method not in CONFIGS:
        raise errors.ConfigError(f"method must be one of {', '.join(CONFIGS)} on a server. Received: {method!r}.")
    config_class = CONFIGS[method]
    allowed = {field.name: field for field in dataclasses.fields(config_class)}
    for name in settings:
        if name not in allowed:
            raise errors.ConfigError(
                f"there is no setting {_brief(name)} of --method={method}. Choose among {', '.join(allowed)}."
                f"{errors.did_you_mean(str(name), allowed)}"
            )
        choices = _NAMED.get(name)
        if not may_set(allowed[name]) or (choices and settings[name] not in choices):
            raise errors.ConfigError(
                f"{fields.label(allowed[name])} must be {' or '.join(choices) if choices else 'left out'} on a server. "
                f"Received: {_brief(settings[name])}. Use the command line for it."
            )
    if config_class is configs.StyleTransferConfig:
        return configs.preset(settings.pop("preset", configs.StyleTransferConfig.preset), **settings)
    return config_class(**settings)


def _check_references(command: configs.StylizeCommand) -> None:
    """Refuses what is no reference of its kind, and more of them than there can be."""
    if not command.content or not command.style:
        raise errors.ConfigError("an order must name its content and at least one style. Received: neither or one.")
    if max(len(command.style), len(command.style_masks)) > _MOST_STYLES:
        raise errors.ConfigError(f"an order has at most {_MOST_STYLES} styles. Received: {len(command.style)}.")
    is_learned = command.method == "multi-style"
    for reference in (command.content, *command.style_masks, *(() if is_learned else command.style)):
        _check_reference(reference, (samples.PREFIX, PICTURE))
    for reference in command.style if is_learned else ():
        _check_reference(reference, (known_styles.PREFIX,))
    masked = command.__dataclass_fields__["style_masks"].metadata["methods"]
    if command.style_masks and masked and command.method not in masked:
        raise errors.ConfigError(
            f"style_masks is a setting of --method={' or '.join(masked)}. Received: --method={command.method}. Leave "
            "it out."
        )


def _check_reference(reference: str, prefixes: Sequence[str]) -> None:
    if not reference.startswith(tuple(prefixes)):
        raise errors.ConfigError(
            f"a picture must be named as {' or '.join(f'{prefix}NAME' for prefix in prefixes)}. "
            f"Received: {_brief(reference)}."
        )


def _value(value: Any) -> str:
    """A setting as its flag takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_value, value))
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def _brief(value: Any) -> str:
    return errors.one_line(repr(value), max_characters=80)
