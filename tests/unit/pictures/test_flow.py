import numpy as np

from nst_tf.pictures import flow
from tests.tiny import tiny_films


def test_the_shift_of_a_film_is_found():
    motion = flow.between(tiny_films.frame(1), tiny_films.frame(0))
    inside = motion.backward[8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inside.reshape(-1, 2), 0), [tiny_films.SHIFT_PX, 0], atol=0.2)
    assert motion.reliability > 0.85


def test_what_comes_from_outside_is_not_reliable():
    motion = flow.between(tiny_films.frame(3), tiny_films.frame(0))
    assert motion.reliable[:, -2:].mean() < 0.2


def test_a_cut_is_not_reliable():
    other = 1 - tiny_films.frame(20)[::-1, ::-1]
    assert flow.between(np.ascontiguousarray(other), tiny_films.frame(0)).reliability < 0.3


def test_in_frames_too_small_for_flow_nothing_is_reliable():
    motion = flow.between(tiny_films.frame(1, 9, 9), tiny_films.frame(0, 9, 9))
    assert motion.backward.shape == (9, 9, 2)
    assert motion.reliability == 0


def test_warping_moves_a_picture_to_where_the_flow_came_from():
    backward = np.zeros([48, 64, 2], np.float32)
    backward[..., 0] = 3
    moved = flow.warped(tiny_films.frame(0), backward)
    np.testing.assert_allclose(moved[:, :-3], tiny_films.frame(0)[:, 3:], atol=1e-6)
