"""`nst-tf video` from the outside, with the real network: a film, a killed run, and users' mistakes."""

import pathlib
import signal
import time

import numpy as np
import pytest

from nst_tf.evaluation import flicker
from nst_tf.video import frames
from tests.system import command_line
from tests.tiny import tiny_films

PATIENCE_S = 300


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    pictures = [tiny_films.frame(number) for number in range(6)]
    return tiny_films.write(tmp_path_factory.mktemp("clip") / "clip.mp4", pictures, audio="aac")


def video(clip, output, *flags):
    return ["video", f"--content={clip}", "--style=style:19", f"--output={output}", *flags]


def read(path):
    return [frame.pixels for frame in frames.open_film(path).frames()]


@pytest.mark.weights
def test_a_film_is_drawn_with_its_sound_and_judged(commands, clip, tmp_path):
    code, _, stderr = commands.run(*video(clip, tmp_path / "out.mp4"))
    assert code == 0, stderr
    assert "6 frames of 64 x 48 px" in stderr
    assert tiny_films.packets(tmp_path / "out.mp4", "audio") == tiny_films.packets(clip, "audio")
    assert np.abs(read(tmp_path / "out.mp4")[3] - tiny_films.frame(3)).mean() > 0.05
    code, stdout, stderr = commands.run("evaluate", f"--content={clip}", f"--video={tmp_path / 'out.mp4'}")
    assert code == 0, stderr
    measured = flicker.steadiness(read(tmp_path / "out.mp4"), read(clip))
    assert f"flicker    {measured.flicker:.4f}" in stdout
    assert f"sharpness  {measured.sharpness:.1f}" in stdout


@pytest.mark.slow
@pytest.mark.weights
def test_a_killed_run_continues_without_its_finished_segments_and_ends_alike(tmp_path):
    clip = tiny_films.write(tmp_path / "clip.mp4", [tiny_films.frame(number) for number in range(32)])
    whole, killed = tmp_path / "whole.mp4", tmp_path / "killed.mp4"
    assert command_line.run(*video(clip, whole, "--segment_frames=4"))[0] == 0
    process = command_line.start(*video(clip, killed, "--segment_frames=4"))
    state = pathlib.Path(f"{killed}.parts") / "state.npz"
    deadline_s = time.monotonic() + PATIENCE_S
    while not state.exists() and process.poll() is None and time.monotonic() < deadline_s:
        time.sleep(1e-3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    segments = {path: path.stat().st_mtime_ns for path in state.parent.glob("0*.nut")}
    assert segments
    code, _, stderr = command_line.run(*video(clip, killed, "--segment_frames=4"))
    assert code == 0, stderr
    assert "resuming after" in stderr
    assert tiny_films.packets(killed, "video") == tiny_films.packets(whole, "video")
    assert not state.parent.exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"content": "{}/missing.mp4"}, ["missing.mp4", "no such file"]),
        ({"content": "{}/sound.m4a"}, ["must have a video stream", "audio"]),
        ({"output": "{}/out.webm"}, ["aac for .webm", "--audio=none"]),
        ({"output": "{}/out.avi"}, ["suffix must be one of .mp4"]),
        ({"output": "{}/clip.mp4"}, ["must be another file"]),
        ({"method": "adain"}, ["learned style"]),
        ({"temporal_weight": "3"}, ["--temporal_weight", "--method=gatys"]),
        ({"stability": "2"}, ["stability must be", "at most 1"]),
    ],
)
def test_mistakes_end_in_one_line_before_tensorflow_loads(commands, clip, flags, words):
    folder = clip.parent
    tiny_films.write_sound(folder / "sound.m4a")
    arguments = {"content": clip, "style": "style:19", "output": folder / "out.mp4"}
    arguments |= {name: value.format(folder) for name, value in flags.items()}
    result = commands.run("video", *(f"--{name}={value}" for name, value in arguments.items()))
    command_line.assert_refused_in_one_line(*result, words)
    assert not list(folder.glob("*.parts"))


def test_a_film_is_judged_alone(commands, clip):
    result = commands.run("evaluate", f"--content={clip}", f"--video={clip}", f"--images={clip}")
    command_line.assert_refused_in_one_line(*result, ["--video and --images exclude each other"])
