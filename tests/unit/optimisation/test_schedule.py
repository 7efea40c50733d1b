import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, vgg
from nst_tf.optimisation import schedule


def sizes(height_px, width_px, **settings):
    stages = schedule.sizes(configs.preset("default", **settings), height_px, width_px)
    return [(stage.height_px, stage.width_px, stage.steps) for stage in stages]


def test_each_size_is_half_the_next_and_the_last_is_the_full_one():
    assert sizes(384, 512, scales=3, steps=9, coarse_steps=4) == [(96, 128, 4), (192, 256, 4), (384, 512, 9)]


def test_one_scale_is_the_full_size_only():
    assert sizes(384, 512, scales=1, steps=9) == [(384, 512, 9)]


def test_coarser_sizes_may_get_more_steps():
    settings = {"scales": 3, "steps": 9, "coarse_steps": 4, "coarse_growth": 2.5}
    assert [steps for _, _, steps in sizes(384, 512, **settings)] == [10, 4, 9]


def test_the_work_of_sizes_that_are_left_out_goes_to_the_coarsest_one():
    settings = {"scales": 3, "steps": 30, "coarse_steps": 20, "coarse_growth": 4.0}
    assert [steps for _, _, steps in sizes(200, 300, **settings)] == [80, 30]


def test_the_steps_of_many_sizes_do_not_grow_without_end():
    settings = {"scales": 5, "steps": 9, "coarse_steps": 30, "coarse_growth": 4.0}
    assert [steps for _, _, steps in sizes(2000, 2000, **settings)] == [200, 200, 120, 30, 9]


def test_sizes_too_small_to_see_anything_are_left_out():
    assert sizes(130, 500, scales=5, steps=9, coarse_steps=4) == [(65, 250, 4), (130, 500, 9)]
    assert sizes(20, 20, scales=3, steps=9) == [(20, 20, 9)]


@pytest.mark.parametrize(("size", "padded"), [((32, 48), (32, 48)), ((33, 47), (48, 48)), ((16, 31), (16, 32))])
def test_padding_reaches_the_next_multiple_and_keeps_the_picture(size, padded):
    image = tf.constant(np.random.default_rng(0).uniform(size=[1, *size, 3]), tf.float32)
    result = vgg.padded(image, 16)
    assert result.shape == (1, *padded, 3)
    np.testing.assert_array_equal(result[:, : size[0], : size[1]], image)


def test_padding_mirrors_the_picture():
    image = tf.reshape(tf.range(6.0), [1, 1, 6, 1]) * tf.ones([1, 4, 1, 1])
    np.testing.assert_array_equal(vgg.padded(image, 4)[0, 0, :, 0], [0, 1, 2, 3, 4, 5, 5, 4])
