import itertools

import numpy as np
import pytest
from av.video.reformatter import ColorTrc
from PIL import Image

from nst_tf import errors
from nst_tf.pictures import images
from nst_tf.video import frames
from tests.fuzz import mutation
from tests.tiny import tiny_films

PICTURES = [tiny_films.frame(number) for number in range(4)]


def read(path, **kwargs):
    messages = []
    film = frames.open_film(path, **kwargs)
    return film, list(film.frames(on_message=messages.append)), messages


def seconds(film, read):
    return [float(frame.time * film.time_base) for frame in read]


def test_a_video_file_gives_its_pictures_and_times(tmp_path):
    film, got, messages = read(tiny_films.write(tmp_path / "film.mp4", PICTURES))
    assert (film.count, film.height_px, film.width_px, film.audio, messages) == (4, 48, 64, (), [])
    np.testing.assert_allclose(seconds(film, got), [0, 0.04, 0.08, 0.12], atol=1e-3)
    for frame, picture in zip(got, PICTURES, strict=True):
        assert np.abs(frame.pixels - picture).mean() < 0.02


def test_a_variable_frame_rate_is_kept(tmp_path):
    film, got, _ = read(tiny_films.write(tmp_path / "film.mkv", PICTURES, times=[0, 40, 200, 210]))
    np.testing.assert_allclose(seconds(film, got), [0, 0.04, 0.2, 0.21], atol=1e-3)


def test_a_film_that_was_turned_is_shown_upright(tmp_path):
    film, got, _ = read(tiny_films.write(tmp_path / "film.mp4", PICTURES, rotation=90))
    assert (film.height_px, film.width_px) == (64, 48)
    assert np.abs(got[0].pixels - np.rot90(PICTURES[0])).mean() < 0.02


def test_full_and_limited_range_give_the_same_colours(tmp_path):
    for full_range in (False, True):
        path = tmp_path / f"{full_range}.mkv"
        tiny_films.write(path, PICTURES, codec="ffv1", pixel_format="yuv444p", full_range=full_range)
        assert np.abs(read(path)[1][0].pixels - PICTURES[0]).mean() < 1 / 255


def test_ten_bits_are_read_with_a_note(tmp_path):
    film, got, _ = read(tiny_films.write(tmp_path / "film.mkv", PICTURES, codec="ffv1", pixel_format="yuv444p10le"))
    assert film.notes == ("10 bits a channel are read, 8 are written",)
    np.testing.assert_allclose(got[0].pixels, PICTURES[0], atol=2 / 255)


def test_sound_that_ffmpeg_does_not_know_keeps_no_film_from_being_read(tmp_path):
    path = tiny_films.write(tmp_path / "film.mkv", PICTURES, audio="aac")
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    film, got, _ = read(path)
    assert (film.audio, len(got)) == (("an unknown codec",), 4)


def test_skipped_frames_change_no_time(tmp_path):
    film = frames.open_film(tiny_films.write(tmp_path / "film.mp4", PICTURES))
    whole, rest = list(film.frames()), list(film.frames(skip=2))
    assert [frame.time for frame in rest] == [frame.time for frame in whole[2:]]
    np.testing.assert_array_equal(rest[0].pixels, whole[2].pixels)


def test_of_a_truncated_film_what_can_be_decoded_is_kept_and_the_rest_is_told(tmp_path):
    pictures = [tiny_films.frame(number) for number in range(30)]
    whole = tiny_films.write(tmp_path / "whole.mkv", pictures, codec="ffv1").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 3])
    _, got, messages = read(tmp_path / "cut.mkv")
    assert 5 <= len(got) <= 12
    assert np.abs(got[2].pixels - pictures[2]).mean() < 0.05
    assert f"{len(got)} frames" in messages[-1]
    assert "missing" in messages[-1]


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for number, name in enumerate(("frame1.png", "frame2.png", "frame10.png")):
        images.save(tmp_path / name, PICTURES[number])
    (tmp_path / "notes.txt").write_text("no picture")
    film, got, _ = read(tmp_path, frame_rate=12.5)
    assert (film.count, seconds(film, got)) == (3, [0, 0.08, 0.16])
    np.testing.assert_allclose(got[2].pixels, PICTURES[2], atol=1 / 255)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_keeps_the_durations_of_its_frames(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    pictures = [Image.fromarray(np.rint(picture * 255).astype(np.uint8)) for picture in PICTURES]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[40, 100, 60, 200])
    _, got, _ = read(path)
    assert [frame.time for frame in got] == [0, 40, 140, 200]
    assert got[-1].duration == 200
    assert np.abs(got[3].pixels - PICTURES[3]).mean() < 0.03


def hdr(path):
    tiny_films.write(path, PICTURES[:1], codec="ffv1", pixel_format="yuv420p10le", transfer=ColorTrc.SMPTE2084)


def cut_before_its_index(path):
    path.write_bytes(tiny_films.write(path.with_name("whole.mp4"), PICTURES).read_bytes()[:2000])


def frames_of_two_sizes(path):
    path.mkdir()
    images.save(path / "1.png", PICTURES[0])
    images.save(path / "2.png", PICTURES[1][:40])


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("none.mp4", lambda path: None, "no such file"),
        ("sound.m4a", tiny_films.write_sound, "must have a video stream. Received: audio only"),
        ("text.mp4", lambda path: path.write_text("no film\n" * 99), "must be a video file"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "must be a video file"),
        ("cut.mp4", cut_before_its_index, "cut off"),
        ("hdr.mkv", hdr, r"HDR \(PQ\)"),
        ("folder", lambda path: path.mkdir(), "a folder without pictures"),
        ("sizes", frames_of_two_sizes, "size of the first, 64 x 48"),
        ("cut.gif", lambda path: path.write_bytes(b"GIF89a\x05"), "a whole GIF or WebP"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, name, make, words):
    make(tmp_path / name)
    with pytest.raises(errors.VideoError, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize("count", [28, pytest.param(3000, marks=pytest.mark.slow)])
def test_damaged_films_are_read_or_refused(tmp_path, count):
    films = [
        tiny_films.write(tmp_path / "a.mp4", PICTURES, audio="aac"),
        tiny_films.write(tmp_path / "b.mkv", PICTURES, codec="ffv1"),
        tiny_films.write(tmp_path / "c.webm", PICTURES, codec="libvpx-vp9"),
        tiny_films.write(tmp_path / "d.mp4", PICTURES, codec="libx264"),
    ]
    good = [path.read_bytes() for path in films]
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        path = films[number % len(films)]
        path.write_bytes(mutation.mutated(good[number % len(films)], f"film {number}", good))
        try:
            for frame in itertools.islice(frames.open_film(path).frames(64, on_message=str), 20):
                assert frame.pixels.min() >= 0
                assert frame.pixels.max() <= 1
            outcomes["read"] += 1
        except errors.NstError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > count / 10
