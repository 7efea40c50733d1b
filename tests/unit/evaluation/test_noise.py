import numpy as np
import pytest

from nst_tf.evaluation import noise
from tests.tiny import tiny_network


def white(seed=0, stddev=0.1, height=96, width=128):
    values = np.random.default_rng(seed).normal(0.5, stddev, [1, height, width, 3])
    return np.clip(values, 0, 1).astype(np.float32)


def test_white_noise_scores_the_area_beyond_the_cutoff():
    share = noise.high_frequency_share(white(height=256, width=256))
    assert share == pytest.approx(noise.area_share(256, 256), abs=0.02)
    assert noise.area_share() == pytest.approx(1 - np.pi * noise.CUTOFF**2 / 4, abs=0.01)


def test_a_smooth_picture_scores_about_nothing():
    assert noise.high_frequency_share(tiny_network.picture(96, 128)) < 1e-4


def test_a_ramp_scores_nothing_though_its_edges_do_not_meet():
    ramp = np.broadcast_to(np.linspace(0, 1, 128, dtype=np.float32)[:, np.newaxis], [1, 96, 128, 3])
    assert noise.high_frequency_share(ramp) < 1e-4


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_an_even_picture_scores_nothing(level):
    assert noise.high_frequency_share(np.full([1, 20, 30, 3], level, np.float32)) == 0


def test_a_checkerboard_is_all_noise():
    board = np.indices([40, 40]).sum(axis=0) % 2
    pixels = np.broadcast_to(board[..., np.newaxis], [1, 40, 40, 3]).astype(np.float32)
    assert noise.high_frequency_share(pixels) > 0.99


def test_brightness_and_contrast_do_not_count():
    pixels = white(stddev=0.05)
    assert noise.high_frequency_share(0.5 * pixels + 0.2) == pytest.approx(noise.high_frequency_share(pixels), rel=1e-5)


def test_more_noise_on_a_picture_scores_higher():
    shares = [
        noise.high_frequency_share(tiny_network.picture(96, 128) * 0.8 + white(stddev=0.1) * share)
        for share in (0.0, 0.1, 0.3)
    ]
    assert shares == sorted(shares)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2)])
def test_the_smallest_pictures_have_a_share(size):
    assert 0 <= noise.high_frequency_share(white(height=size[0], width=size[1])) <= 1
