"""Sums over parts of a picture, too large to hold side by side: one part after another."""

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

State = TypeVar("State")


def in_order(
    body: Callable[[tf.Tensor, State], State], state: State, stop: tf.Tensor | int, step: tf.Tensor | int = 1
) -> State:
    """`for index in range(0, stop, step): state = body(index, state)`, inside a graph, never two at a time.

    Written out, and not left to AutoGraph, whose conversion of all that a step calls took a quarter of its tracing.

    Args:
        body: takes an int32 scalar and a structure of tensors, and returns a structure of the same form.
        state: the first structure.
        stop: int32 scalar.
        step: the same, above 0.
    """

    def once(index: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        return index + step, body(index, state)

    start = tf.constant(0)
    return tf.while_loop(lambda index, _: index < stop, once, (start, state), parallel_iterations=1)[1]
