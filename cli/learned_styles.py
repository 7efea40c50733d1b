"""How --style chooses --method where it names a learned style, for every command that takes both."""

import dataclasses
from typing import TypeVar

from absl import flags

from nst_tf import configs
from nst_tf.weights import known_styles

Command = TypeVar("Command", configs.StylizeCommand, configs.VideoCommand)


def with_their_method(command: Command) -> Command:
    """A learned style is drawn by the network that it was learned for, so that naming it names the method.

    Args:
        command: with a style and a method.

    Raises:
        flags.IllegalFlagValueError: another method was asked for, or pictures are among the styles.
        StyleError: there is no such style, or its file is damaged.
    """
    learned = [source for source in command.style if known_styles.is_learned(source)]
    if len(learned) == len(command.style) and not flags.FLAGS["method"].present:
        return dataclasses.replace(command, method=known_styles.method_of(learned[0]))
    if learned and command.method not in configs.ARCHITECTURES:
        raise flags.IllegalFlagValueError(
            f"--style={learned[0]} is a learned style, which only --method=multi-style or one-style draws. "
            f"Received: --method={command.method}. Give learned styles alone, or pictures alone."
        )
    return command
