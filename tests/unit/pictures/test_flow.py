import numpy as np

from nst_tf.pictures import flow, images
from tests.tiny import tiny_films


def test_the_shift_of_a_film_is_found():
    motion = flow.between(tiny_films.frame(1), tiny_films.frame(0))
    inside = motion.backward[8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inside.reshape(-1, 2), 0), [tiny_films.SHIFT_PX, 0], atol=0.2)
    assert motion.reliability > 0.85


def test_fine_flow_follows_a_small_thing_that_the_quick_one_misses():
    noise = np.random.default_rng(0)
    before = images.resize(noise.uniform(size=[1, 40, 52, 3]).astype(np.float32), 160, 208)[0]
    thing = images.resize(noise.uniform(size=[1, 6, 6, 3]).astype(np.float32), 16, 16)[0]
    after = before.copy()
    before[70:86, 90:106] = after[70:86, 94:110] = thing
    shifts = [flow.between(after, before, fine=fine).backward[70:86, 94:110, 0].mean() for fine in (False, True)]
    np.testing.assert_allclose(shifts, [0, -4], atol=1)


def test_a_small_frame_changes_no_later_flow():
    noise = np.random.default_rng(1)
    frames = [images.resize(noise.uniform(size=[1, 40, 52, 3]).astype(np.float32), 160, 208)[0] for _ in range(2)]
    before = flow.between(*frames).backward
    flow.between(tiny_films.frame(1), tiny_films.frame(0))
    np.testing.assert_array_equal(flow.between(*frames).backward, before)


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


def test_a_things_outline_spreads_the_motions_around_it_as_far_as_the_square_reaches():
    motion = np.zeros([32, 32, 2], np.float32)
    motion[:, 16:] = (3, 4)
    spread = flow.spread(motion, 5)
    assert spread.shape == (32, 32)
    np.testing.assert_array_equal(spread[:, 14:18], 5)
    np.testing.assert_array_equal(spread[:, [*range(14), *range(18, 32)]], 0)
