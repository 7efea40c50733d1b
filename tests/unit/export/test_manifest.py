"""A bundle's manifest: what it says, and what is wrong with one that nobody exported."""

import json

import pytest

from nst_tf import errors
from nst_tf.export import manifest

GOOD = {
    "method": "adain",
    "precision": "float32",
    "config": {"max_side_px": 512},
    "styles": [{"name": "a.png", "sha256": "0" * 64}],
    "weights": {"encoder": {"licence": "MIT"}, "decoder": {"licence": "none"}},
    "files": {"saved_model.pb": "1" * 64, "variables/variables.index": "2" * 64},
}


def parse(**changes):
    return manifest.parse(json.dumps(GOOD | changes).encode(), "manifest.json")


def test_a_manifest_is_read():
    read = parse()
    assert (read.method, read.precision, read.max_side_px, read.styles) == ("adain", "float32", 512, ("a.png",))
    assert read.files == GOOD["files"]
    assert read.licences == ("MIT", "none")
    assert read.sha256 != parse(method="gatys").sha256


def test_gatys_has_no_styles():
    record = {name: value for name, value in GOOD.items() if name != "styles"}
    assert manifest.parse(json.dumps(record).encode(), "manifest.json").styles == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"method": 3},
        {"config": []},
        {"config": {"max_side_px": "512"}},
        {"config": {"max_side_px": 0}},
        {"config": {"max_side_px": True}},
        {"styles": [3]},
        {"styles": {"name": "a"}},
        {"files": {}},
        {"files": {"saved_model.pb": "1" * 63}},
        {"files": GOOD["files"] | {"../other": "1" * 64}},
        {"files": GOOD["files"] | {"/etc/passwd": "1" * 64}},
        {"files": GOOD["files"] | {"a\\..\\b": "1" * 64}},
        {"files": GOOD["files"] | {"a\0b": "1" * 64}},
        {"files": GOOD["files"] | {"./saved_model.pb": "1" * 64}},
        {"files": GOOD["files"] | {"\ud800": "1" * 64}},
        {"weights": None},
        {"precision": None},
    ],
    ids=str,
)
def test_a_field_that_is_not_as_exported_is_refused(changes):
    with pytest.raises(errors.ExportError, match=r"a manifest must be as it was exported\. Received: "):
        parse(**changes)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * (2**20 + 1)], ids=lambda d: str(d[:9])
)
def test_bytes_that_are_no_manifest_are_refused(data):
    with pytest.raises(errors.ExportError, match="a manifest must be as it was exported"):
        manifest.parse(data, "manifest.json")
