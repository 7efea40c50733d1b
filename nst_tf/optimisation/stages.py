"""One size of a run: where it starts, what it is compared with, and the optimiser that works on it."""

import tensorflow as tf

from nst_tf import configs
from nst_tf.losses import objective as objectives
from nst_tf.optimisation import adam, lbfgs, schedule
from nst_tf.pictures import images, inputs

OPTIMIZERS = {"adam": adam.Adam, "lbfgs": lbfgs.Lbfgs}


def start_image(
    config: configs.StyleTransferConfig, pictures: inputs.Inputs, height_px: int, width_px: int
) -> tf.Tensor:
    """The image the optimisation begins at, [1, height_px, width_px, 3] in [0, 1]."""
    if config.initialisation == "noise":
        shape = [1, height_px, width_px, 3]
        noise = tf.random.stateless_normal(shape, [config.seed, 0], 0.5, config.noise_stddev)
        return tf.clip_by_value(noise, 0.0, 1.0)
    start = pictures.styles[0] if config.initialisation == "style" else pictures.start or pictures.content
    return tf.constant(images.resize(start.pixels, height_px, width_px))


def targets(
    objective: objectives.Objective, pictures: inputs.Inputs, stage: schedule.Stage, stride: int
) -> objectives.Targets:
    """The targets of one size. The scaled pictures go with this function's end."""
    content = tf.constant(inputs.at_size(pictures.content.pixels, stage.height_px, stage.width_px))
    scale = stage.height_px / pictures.content.height_px
    styles = [tf.constant(inputs.scaled(picture.pixels, scale)) for picture in pictures.styles]
    return objective.targets(schedule.padded(content, stride), styles)
