import numpy as np
import pytest

from nst_tf import errors
from nst_tf.evaluation import flicker
from tests.tiny import tiny_films

FILM = [tiny_films.frame(number) for number in range(4)]


def test_a_film_that_only_moves_does_not_flicker():
    assert flicker.steadiness(FILM, FILM).flicker < 0.01


def test_flicker_is_the_difference_between_frames():
    flickering = [frame * 0.9 + (0.05 if number % 2 else 0.0) for number, frame in enumerate(FILM)]
    still = [FILM[0]] * 4
    measured = flicker.steadiness([still[0] * 0 + 0.05 * (number % 2) for number in range(4)], still)
    assert measured.flicker == pytest.approx(0.05, rel=1e-4)
    assert flicker.steadiness(flickering, FILM).flicker == pytest.approx(0.05, abs=0.005)


def test_a_checkerboard_is_sharper_than_a_plain():
    board = np.float32(np.indices([48, 64]).sum(0) % 2)[..., np.newaxis].repeat(3, -1)
    assert flicker.steadiness([board] * 2, FILM[:2]).sharpness > 500
    assert flicker.steadiness([board * 0 + 0.5] * 2, FILM[:2]).sharpness == 0


def test_one_frame_has_no_flicker():
    with pytest.raises(errors.VideoError, match=r"at least 2 frames\. Received: 1"):
        flicker.steadiness(FILM[:1], FILM)
