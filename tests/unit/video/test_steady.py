import cv2
import numpy as np

from nst_tf.evaluation import flicker
from nst_tf.video import steady
from tests.tiny import tiny_films

PHOTOGRAPHS = [tiny_films.frame(number) for number in range(10)]


def strokes(number):
    """A method that draws strokes anew in every frame."""
    return np.random.default_rng(number).uniform(-0.2, 0.2, PHOTOGRAPHS[0].shape).astype(np.float32)


def film(stability, photographs=PHOTOGRAPHS):
    stabiliser = steady.Stabiliser(stability)
    frames = []
    for number, photograph in enumerate(photographs):
        stylised = (stabiliser.steadied(photograph) + strokes(number)).clip(0, 1)
        frames.append(stabiliser.blended(stylised))
    return frames


def test_without_stability_nothing_changes():
    for number, frame in enumerate(film(0.0)):
        np.testing.assert_array_equal(frame, (PHOTOGRAPHS[number] + strokes(number)).clip(0, 1))


def test_stability_takes_flicker_away_and_leaves_the_motion():
    alone, steadied = (flicker.steadiness(film(a), PHOTOGRAPHS) for a in (0.0, 0.8))
    assert steadied.flicker < 0.55 * alone.flicker  # near the sides, half of so small a frame, less is kept
    assert np.abs(film(0.8)[-1] - PHOTOGRAPHS[-1])[8:-8, 8:-8].mean() < 0.11  # the strokes, 0.1, and no older frame


def test_fine_contrast_that_blending_loses_is_given_back():
    before, after = (flicker.steadiness(film(a), PHOTOGRAPHS).sharpness for a in (0.0, 0.3))
    assert after > 0.85 * before


def test_a_cut_starts_anew():
    other = [1 - tiny_films.frame(number)[::-1, ::-1].copy() for number in range(20, 22)]
    frames = film(0.9, [*PHOTOGRAPHS[:3], *other])
    np.testing.assert_array_equal(frames[3], (other[0] + strokes(3)).clip(0, 1))


def last_frame_of_a_square(ground, rows, width, lefts):
    """The last frame of a film in which a yellow square moves over the ground, from one left side to the next."""
    stabiliser = steady.Stabiliser(0.9)
    for left in lefts:
        photograph = ground.copy()
        photograph[rows, left : left + width] = (0.9, 0.9, 0.2)
        frame = stabiliser.blended(stabiliser.steadied(photograph))
    return frame


def test_what_a_moving_square_uncovers_holds_no_ghost_of_it():
    ground = tiny_films.frame(0) * 0.5
    frame = last_frame_of_a_square(ground, slice(16, 32), 16, range(8, 39, 6))
    uncovered = frame[18:30, 10:30] - ground[18:30, 10:30]
    assert np.abs(uncovered).mean() < 0.01


def test_what_moves_faster_than_the_flow_finds_leaves_no_ghost_where_the_ground_is_smooth():
    ground = np.full_like(PHOTOGRAPHS[0], 0.4)
    frame = last_frame_of_a_square(ground, slice(20, 28), 8, (2, 22, 42))
    assert np.abs(frame[18:30, :30] - ground[18:30, :30]).max() < 0.02


def test_smooth_ground_keeps_its_own_strokes_beside_a_thing_that_slides_over_it():
    ground, own = np.full([96, 128, 3], 0.4, np.float32), np.random.default_rng(0).uniform(-0.2, 0.2, [96, 128, 3])
    stabiliser = steady.Stabiliser(0.9)
    for number in range(5):
        photograph, left = ground.copy(), 20 + 4 * number
        photograph[30:66, left : left + 36] = PHOTOGRAPHS[0][:36, :36]
        frame = stabiliser.blended(stabiliser.steadied(photograph) + own.astype(np.float32))
    beside = np.s_[30:66, left + 38 : left + 46]
    assert np.abs(frame - ground - own)[beside].mean() < 0.03


def test_a_zoom_is_no_reason_to_forget():
    still = cv2.resize(PHOTOGRAPHS[0], (256, 192))
    views = [cv2.getRotationMatrix2D((128, 96), 0, 1.03**number) for number in range(6)]
    zoomed = [cv2.warpAffine(still, view, (256, 192)) for view in views]
    drawn = [np.random.default_rng(number).uniform(0.3, 0.7, zoomed[0].shape).astype(np.float32) for number in range(6)]
    stabiliser, film = steady.Stabiliser(0.9), []
    for photograph, strokes in zip(zoomed, drawn, strict=True):
        stabiliser.steadied(photograph)
        film.append(stabiliser.blended(strokes))
    alone, steadied = (flicker.steadiness(frames, zoomed).flicker for frames in (drawn, film))
    assert steadied < 0.6 * alone


def test_a_films_noise_is_taken_for_no_motion():
    generator = np.random.default_rng(0)
    noisy = [(PHOTOGRAPHS[0] + generator.normal(0, 0.03, ground.shape)).clip(0, 1) for ground in PHOTOGRAPHS]
    noisy = [photograph.astype(np.float32) for photograph in noisy]
    frames = film(0.8, noisy)
    alone = [(photograph + strokes(number)).clip(0, 1) for number, photograph in enumerate(noisy)]
    assert np.diff(frames[4:], axis=0).std() < 0.6 * np.diff(alone[4:], axis=0).std()


def test_a_restored_state_continues_with_the_same_bits():
    whole = film(0.8)
    first, second = steady.Stabiliser(0.8), steady.Stabiliser(0.8)
    for number, photograph in enumerate(PHOTOGRAPHS):
        stabiliser = first if number < 5 else second
        if number == 5:
            second.restore(first.state())
        frame = stabiliser.blended((stabiliser.steadied(photograph) + strokes(number)).clip(0, 1))
        np.testing.assert_array_equal(frame, whole[number])
