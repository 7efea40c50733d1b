"""`nst-tf client` against a stand-in for TensorFlow Serving, over gRPC and REST."""

import importlib.util
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.export import trial_requests
from nst_tf.pictures import images
from nst_tf.serving import client
from nst_tf.weights import style_files
from tests.system import command_line
from tests.tiny import tiny_adain, tiny_bundle, tiny_multi_style, tiny_network

TRANSPORTS = ("grpc", "rest")


@pytest.fixture(scope="module")
def ports(tiny_version, adain_version, styles_version):
    """The stand-in's port by transport; it answers the first two calls of each UNAVAILABLE."""
    roots = [str(version.parent) for version in (tiny_version, adain_version, styles_version)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.programs.serving_stand_in", *roots, "--unavailable=2"],
        cwd=command_line.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def config(ports, transport, **overrides):
    settings = {"server": f"localhost:{ports[transport]}", "transport": transport, "model": "tiny", "steps": 2}
    return configs.ClientConfig(**(settings | overrides))


def picture(height=40, width=60, seed=0, alpha=None):
    pixels = tiny_network.picture(height, width, seed=seed)
    return images.Picture(pixels=pixels, alpha=alpha, sha256="", name="picture")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_that_starts_up_is_asked_again_and_answers_as_python_does(ports, tiny_version, transport):
    tiny_bundle.assert_a_server_answers_as_python(
        tiny_version, transport=transport, server=f"localhost:{ports[transport]}"
    )


@pytest.mark.parametrize("transport", ["grpc", pytest.param("rest", marks=pytest.mark.slow)])  # gRPC has the limit
def test_an_answer_above_4_mib_arrives(ports, transport):
    noise = np.random.default_rng(0).uniform(0, 1, [1, 1400, 1400, 3]).astype(np.float32)
    content = images.Picture(pixels=noise, alpha=None, sha256="", name="noise")
    result = client.stylize(content, picture(), config(ports, transport, steps=1, max_side_px=1400))
    assert result.pixels.shape == noise.shape
    assert len(images.encode(result.pixels, ".png")) > 4 * 2**20


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"model": "other"}, "Servable not found for request"),
        ({"model_version": 9}, "Servable not found for request"),
        ({"content_weight": 1e6}, r"content_weight\[0\] must be 0 to 100. Received: 1000000"),
        ({"timeout_s": 0.2, "steps": 6, "max_side_px": 600}, "no answer within 0.2 s. Raise --timeout_s"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_served_is_one_clear_error(ports, transport, overrides, words):
    with pytest.raises(errors.ServingError, match=words) as error:
        client.stylize(picture(600, 600), picture(), config(ports, transport, **overrides))
    assert "{{node" not in str(error.value)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_missing_style_is_named(ports, transport):
    with pytest.raises(errors.ServingError, match=r"tiny takes .*style_bytes\. Received"):
        client.stylize(picture(), None, config(ports, transport))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_style_that_was_encoded_once_gives_the_same_picture(ports, transport, tmp_path):
    settings = config(ports, transport, model="adain", steps=None, style_strength=0.8, max_side_px=48)
    style = client.encode_style(picture(30, 44, seed=5), settings)
    client.save_style(tmp_path / "style.npz", style)
    pictures = client.load(picture(), str(tmp_path / "style.npz"), settings)
    expected = client.stylize(picture(), picture(30, 44, seed=5), settings)
    np.testing.assert_allclose(client.stylize(*pictures, settings).pixels, expected.pixels, atol=1.01 / 255)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_learned_styles_are_sent_by_name_as_a_blend_and_as_a_file(ports, transport, tmp_path):
    settings = config(ports, transport, model="styles", steps=None, max_side_px=48)
    learned = tiny_multi_style.style_file()
    style_files.write(tmp_path / "x.style", learned)
    engine = tiny_multi_style.engine(max_side_px=48, style_blend=(1.0, 3.0))
    sent = images.load(images.encode(client.load(picture(), None, settings).content.pixels, ".png"))  # in 8 bits
    expected = engine(sent, ["style:0", "style:2"]).image
    result = client.stylize(picture(), "style:0=1,2=3", settings)
    np.testing.assert_allclose(result.pixels, expected, atol=1.01 / 255)
    expected = engine(sent, [learned, learned]).image
    result = client.stylize(picture(), tmp_path / "x.style", settings)
    np.testing.assert_allclose(result.pixels, expected, atol=1.01 / 255)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_several_styles_are_sent_with_shares_or_masks(ports, transport):
    settings = config(ports, transport, model="adain", steps=None, max_side_px=48)
    content, styles = picture(32, 48), [picture(30, 44, seed=5), picture(40, 24, seed=6)]
    sent = [images.load(images.encode(one.pixels, ".png")) for one in (content, *styles)]  # in 8 bits
    engine = tiny_adain.engine(max_side_px=48, style_blend=(1.0, 3.0))
    expected = engine(sent[0], sent[1:]).image
    result = client.stylize(content, styles, settings, style_blend=(1.0, 3.0))
    np.testing.assert_allclose(result.pixels, expected, atol=1.01 / 255)
    engine = tiny_adain.engine(max_side_px=48)
    masks = trial_requests.masks(content.pixels)
    given = {"style_masks": masks.styles, "keep_mask": masks.keep}
    expected = engine(sent[0], sent[1:], **given).image
    np.testing.assert_allclose(client.stylize(content, styles, settings, **given).pixels, expected, atol=1.01 / 255)


def test_several_styles_of_two_kinds_are_refused_before_a_server_is_asked():
    with pytest.raises(errors.ConfigError, match="several styles must be pictures alone, or learned styles by name"):
        client.stylize(picture(), [picture(), "style:0"], keep_mask=np.eye(40, 60, dtype=np.float32))
    with pytest.raises(errors.ConfigError, match="style_blend needs one share for each of the 2"):
        client.stylize(picture(), [picture(), picture()], style_blend=(1.0,))


def test_a_name_that_the_model_does_not_know_is_refused_with_those_it_knows(ports):
    settings = config(ports, "rest", model="styles", steps=None, max_side_px=48)
    with pytest.raises(errors.ServingError, match=r"must be one of 0, 1, 2, .* Received: style:monet"):
        client.stylize(picture(), "style:monet", settings)


def test_a_model_without_the_signature_is_named(ports):
    with pytest.raises(errors.ServingError, match="tiny must have the signature encode_style"):
        client.encode_style(picture(), config(ports, "rest"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_is_no_encoded_style_is_refused(tmp_path, content):
    (tmp_path / "style.npz").write_bytes(content)
    with pytest.raises(errors.ImageError, match="must be a file of nst-tf client --save_style"):
        client.load_style(tmp_path / "style.npz")


def test_the_command_writes_an_encoded_style_and_takes_it(commands, ports, tmp_path):
    style, output = tmp_path / "style.npz", tmp_path / "out.png"
    command = ("client", f"--server=localhost:{ports['rest']}", "--transport=rest", "--model=adain", "--size=48")
    files = ("--content=sample:turner", f"--output={output}")
    code, _, stderr = commands.run(*command, *files, "--style=sample:hiroshige", f"--save_style={style}")
    assert code == 0, stderr
    first = output.read_bytes()
    code, _, stderr = commands.run(*command, *files, f"--style={style}")
    assert code == 0, stderr
    assert output.read_bytes() == first


def commands_of_the_guide(start):
    """The indented block of docs/serving.md that starts so, as a shell takes it."""
    text = (command_line.ROOT / "docs" / "serving.md").read_text()
    lines = text[text.index(f"\n    {start}") + 1 :].splitlines()
    return "\n".join(line[4:] for line in itertools.takewhile(lambda line: line.startswith("    "), lines))


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_the_guides_curl_sends_pictures_of_ordinary_size(ports, tmp_path):
    noise = np.random.default_rng(0).uniform(0, 1, [1, 400, 400, 3]).astype(np.float32)
    for name in ("photo.jpg", "painting.jpg"):
        (tmp_path / name).write_bytes(images.encode(noise, ".jpg"))
        assert (tmp_path / name).stat().st_size > 128 * 1024
    command = commands_of_the_guide("{").replace("localhost:8501", f"localhost:{ports['rest']}")
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True)
    assert images.load(tmp_path / "out.png").pixels.shape == (1, 48, 48, 3)


@pytest.mark.slow  # three processes that load TensorFlow; the check runs in each export, the program on another bundle
def test_the_guides_check_is_repeated_and_the_guides_saved_model_cli_runs(adain_version, tmp_path):
    of_tensorflow = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parents[4] / "bin"  # its environment's
    programs = f"{pathlib.Path(sys.executable).parent}:{of_tensorflow}"
    for start in ("python -m nst_tf.export.self_check", "saved_model_cli show"):
        command = commands_of_the_guide(start).replace("/tmp", str(tmp_path))
        command = command.replace("saved_models/adain/1", str(adain_version))
        result = subprocess.run(
            ["bash", "-ec", command],
            env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(command_line.ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert "stylize_tensor" in result.stdout
    assert np.load(tmp_path / "stylized.npy").shape[-1] == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_no_server_is_one_error_after_the_retries(transport):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with pytest.raises(errors.ServingError, match=r"cannot be reached over .* attempts made: 2"):
        client.stylize(picture(), picture(), config({transport: port}, transport, retries=1))


def test_the_command_turns_the_picture_upright_and_keeps_its_transparency(ports, tmp_path):
    alpha = np.zeros([1, 60, 40, 1], np.float32)
    alpha[:, :30] = 1
    content = tmp_path / "content.png"
    images.save(content, tiny_network.picture(60, 40), alpha=alpha)
    output = tmp_path / "new" / "out.png"
    code, stdout, stderr = command_line.run(
        "client",
        f"--server=localhost:{ports['rest']}",
        "--transport=rest",
        "--model=tiny",
        f"--content={content}",
        "--style=sample:hiroshige",
        f"--output={output}",
        "--size=30",
        "--steps=2",
        env={"PYTHONPROFILEIMPORTTIME": "1"},
    )
    assert code == 0, stderr
    assert stdout == ""
    assert "tensorflow" not in stderr
    assert f"wrote {output} (20 x 30 px)" in stderr
    written = images.load(output)
    assert written.pixels.shape == (1, 30, 20, 3)
    assert written.alpha[0, :13].min() > 0.98  # scaling overshoots a little
    assert written.alpha[0, 17:].max() < 0.02


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--content=nowhere.jpg", "--style=sample:turner", "--output={}/out.png"), "nowhere.jpg"),
        (("--content=sample:turner", "--style=sample:monet", "--output={}/out.png"), "monet"),
        (("--content=sample:turner", "--style=sample:turner"), "--output is missing"),
        (("--content=sample:turner", "--save_style={}/a.npz", "--output={}/out.png"), "--save_style needs the picture"),
        (("--content=sample:turner", "--style=sample:turner", "--output=gs://b/out.png"), "must lie on this machine"),
        (("--content=sample:turner", "--style=sample:turner", "--output={}/out.xyz"), ".xyz"),
        (("--content=sample:turner", "--output={}/out.png", "--timeout_s=0"), "timeout_s must be above 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_answered_before_any_server_is_asked(commands, tmp_path, flags, words):
    code, stdout, stderr = commands.run("client", *(flag.replace("{}", str(tmp_path)) for flag in flags))
    assert code == 2, stderr
    assert stdout == ""
    assert words in stderr
    assert "loading TensorFlow" not in stderr
