import json
import pathlib

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.video import frames, transfer
from tests.tiny import tiny_films

METHOD = configs.MultiStyleConfig()
PICTURES = [tiny_films.frame(number) for number in range(7)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return tiny_films.write(folder / "clip.mkv", PICTURES, codec="ffv1", times=[0, 40, 80, 200, 240, 280, 320])


def stylize(clip, output, on_report=None, engine=None, **settings):
    messages = []
    engine = engine or tiny_films.Engine()
    config = configs.VideoConfig(**({"segment_frames": 3} | settings))
    result = transfer.stylize_film(
        clip, "style:1", output, METHOD, config, engine=engine, on_report=on_report, on_message=messages.append
    )
    return result, messages


def pictures(path):
    film = frames.open_film(path)
    read = list(film.frames())
    return [frame.pixels for frame in read], [round(float(frame.time * film.time_base), 3) for frame in read]


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "out.mkv", "out.gif", "out.webp"])
def test_every_container_has_the_frames_at_their_times(clip, tmp_path, name):
    stylize(clip, tmp_path / "frames")
    expected, _ = pictures(tmp_path / "frames")
    result, _ = stylize(clip, tmp_path / name)
    got, times = pictures(tmp_path / name)
    assert (result.frames, times) == (7, [0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32])
    assert max(np.abs(one - other).mean() for one, other in zip(got, expected, strict=True)) < 0.04
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "frames.json", name, f"{name}.json"]
    assert json.loads((tmp_path / f"{name}.json").read_text())["frames"] == 7


def test_the_last_frame_is_reported_once(clip, tmp_path):
    reports = []
    stylize(clip, tmp_path / "out.mkv", on_report=reports.append, frames=1)
    assert [(report.frame, report.frames) for report in reports] == [(1, 1)]


@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_other_codecs_are_written_where_they_are_asked_for(tmp_path, codec):
    clip = tiny_films.write(tmp_path / "clip.mp4", [tiny_films.frame(n, 64, 64) for n in range(4)])
    _, messages = stylize(clip, tmp_path / "out.mp4", codec=codec)
    assert len(pictures(tmp_path / "out.mp4")[0]) == 4
    assert any("GPL" in line for line in messages) == (codec == "h264")


def test_an_odd_side_is_filled_up(tmp_path):
    clip = tiny_films.write(tmp_path / "clip.mkv", [frame[:47, :63] for frame in PICTURES[:2]], codec="ffv1")
    _, messages = stylize(clip, tmp_path / "out.mp4")
    assert pictures(tmp_path / "out.mp4")[0][0].shape == (48, 64, 3)
    assert any("odd side" in line for line in messages)


def test_the_sound_is_copied_byte_for_byte(tmp_path):
    clip = tiny_films.write(tmp_path / "clip.mp4", PICTURES, audio="aac")
    stylize(clip, tmp_path / "out.mp4")
    before, after = (tiny_films.packets(path, "audio") for path in (clip, tmp_path / "out.mp4"))
    assert [data for data, _ in after] == [data for data, _ in before]
    np.testing.assert_allclose([time for _, time in after], [time for _, time in before], atol=1e-3)


def test_a_container_that_cannot_hold_the_sound_is_refused_with_those_that_can(tmp_path):
    clip = tiny_films.write(tmp_path / "clip.mp4", PICTURES[:1], audio="aac")
    with pytest.raises(errors.OutputError, match=r"aac for \.webm\. Use \.mp4, \.mkv, \.mov, or --audio=none"):
        stylize(clip, tmp_path / "out.webm")
    stylize(clip, tmp_path / "out.webm", audio="none")
    assert frames.open_film(tmp_path / "out.webm").audio == ()


def test_a_run_that_was_stopped_continues_to_the_same_bytes(clip, tmp_path):
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    stylize(clip, whole)

    def stop(report):
        if report.frame == 5:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_REPORT_INTERVAL_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            stylize(clip, resumed, on_report=stop)
    finished = pathlib.Path(f"{resumed}.parts") / "00000.nut"
    written = finished.stat().st_mtime_ns
    seen = []
    result, messages = stylize(clip, resumed, on_report=lambda report: seen.append(finished.stat().st_mtime_ns))
    assert result.resumed_after_frames == 3
    assert "resuming after 3 finished frames" in messages
    assert set(seen) == {written}
    assert tiny_films.packets(resumed, "video") == tiny_films.packets(whole, "video")
    assert not finished.parent.exists()


def test_an_unfinished_film_of_other_settings_is_refused(clip, tmp_path):
    def stop(report):
        if report.frame == 7:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_REPORT_INTERVAL_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            stylize(clip, tmp_path / "out.mkv", on_report=stop)
    with pytest.raises(errors.OutputError, match="differs in its settings"):
        stylize(clip, tmp_path / "out.mkv", stability=0.1)


def test_only_the_first_frames_are_drawn_where_that_is_asked_for(clip, tmp_path):
    result, _ = stylize(clip, tmp_path / "out.mp4", frames=4)
    assert result.frames == len(pictures(tmp_path / "out.mp4")[0]) == 4


def test_a_film_of_one_frame_stays_one(tmp_path):
    clip = tiny_films.write(tmp_path / "clip.mp4", PICTURES[:1])
    stylize(clip, tmp_path / "out.mp4")
    assert len(pictures(tmp_path / "out.mp4")[0]) == 1


def test_a_full_disk_ends_in_one_line_and_leaves_no_half_film(clip, tmp_path, small_files):
    with small_files(2000), pytest.raises(errors.OutputError, match="must be writable"):
        stylize(clip, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("out.avi", {}, r"suffix must be one of \.mp4"),
        ("out.mov", {}, r"vp9 for \.mov\. Use \.mp4, \.webm, \.mkv, --codec=h264"),
        ("out.webm", {"codec": "h264"}, r"h264 for \.webm\. Use \.mp4, \.mkv, \.mov, --codec=vp9, --codec=av1"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused(clip, tmp_path, name, settings, words):
    with pytest.raises(errors.OutputError, match=words):
        stylize(clip, tmp_path / name, **settings)


def test_frames_are_not_mixed_with_the_files_of_a_folder(clip, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "000009.png").write_bytes(b"")
    with pytest.raises(errors.OutputError, match="must be new or empty"):
        stylize(clip, tmp_path / "frames")


def test_the_networks_draw_films_and_refuse_frames_too_small_for_them(tmp_path):
    from nst_tf.networks import multi_style_transfer
    from tests.tiny import tiny_multi_style

    engine = multi_style_transfer.MultiStyleTransfer(METHOD, loaded=tiny_multi_style.loaded())
    clip = tiny_films.write(tmp_path / "clip.mkv", PICTURES[:1], codec="ffv1", container="matroska")
    stylize(clip, tmp_path / "frames", engine=engine)
    expected = engine(PICTURES[0], "style:1").image[0]
    assert np.abs(pictures(tmp_path / "frames")[0][0] - expected).mean() < 0.05
    small = tiny_films.write(tmp_path / "small.mkv", [tiny_films.frame(0, 20, 40)], codec="ffv1")
    with pytest.raises(errors.ImageError, match="at least 32 px"):
        stylize(small, tmp_path / "out.mp4", engine=engine)
    assert not list(tmp_path.glob("out*"))
