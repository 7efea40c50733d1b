"""Tiles of a picture: the pixels each owns and reads, and where its features lie in a layer."""

from typing import NamedTuple

import tensorflow as tf

from nst_tf import vgg


class Tile(NamedTuple):
    """The pixels a tile owns and those it reads; int32 scalars, each `last` one beyond."""

    top: tf.Tensor
    bottom: tf.Tensor
    left: tf.Tensor
    right: tf.Tensor
    read_top: tf.Tensor
    read_bottom: tf.Tensor
    read_left: tf.Tensor
    read_right: tf.Tensor


def read(image: tf.Tensor, tile: Tile) -> tf.Tensor:
    """The pixels that a tile reads."""
    return image[:, tile.read_top : tile.read_bottom, tile.read_left : tile.read_right]


def part(p: tf.Tensor, layer: str, tile: Tile, dtype: tf.DType) -> tf.Tensor:
    """The positions of a content target that a tile owns."""
    return tf.cast(p[place(layer, tile)], dtype)


def place(layer: str, tile: Tile) -> tuple[slice, ...]:
    """Where in a layer of the whole picture the positions are that a tile owns."""
    stride = vgg.stride_px(layer)
    rows = slice(tile.top // stride, tile.bottom // stride)
    return slice(None), rows, slice(tile.left // stride, tile.right // stride)


def with_part_added(gradient: tf.Tensor, tile: Tile, part: tf.Tensor) -> tf.Tensor:
    """The gradient of the image with that of the pixels that a tile reads added, in place where TensorFlow can."""
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=gradient,
        begin=[0, tile.read_top, tile.read_left, 0],
        end=[tf.shape(gradient)[0], tile.read_bottom, tile.read_right, tf.shape(gradient)[3]],
        strides=[1, 1, 1, 1],
        value=read(gradient, tile) + part,
    )
