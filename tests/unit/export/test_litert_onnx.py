import hashlib
import importlib.metadata
import json

import numpy as np
import pytest

from nst_tf import configs, errors
from nst_tf.export import litert_onnx
from nst_tf.networks import adain as networks_adain
from nst_tf.networks import one_pass
from nst_tf.pictures import images
from tests.tiny import tiny_adain, tiny_network

RECORD = {"source": "random", "sha256": "0", "licence": "ours"}
CONFIG = configs.AdainConfig()


@pytest.fixture(scope="module")
def loaded():
    return networks_adain.Loaded(tiny_adain.network(), "float32", {"encoder": RECORD, "decoder": RECORD})


def style(seed=3):
    return images.Picture(pixels=tiny_network.picture(40, 50, seed=seed), alpha=None, sha256="0", name="style")


def limits(format):
    return configs.ExportConfig(method="adain", format=format, height_px=30, width_px=44)


@pytest.mark.parametrize(
    ("format", "sizes"),
    [
        pytest.param(
            "litert", {"float32.tflite": [(30, 44)], "float16.tflite": [(30, 44)]}, marks=pytest.mark.slow
        ),  # a foreign converter
        ("onnx", {"model.onnx": [(30, 44), (17, 61)]}),
    ],
)
def test_a_file_gives_pythons_picture_in_its_own_runtime(loaded, tmp_path, format, sizes):
    written = litert_onnx.export(tmp_path / "new", CONFIG, limits(format), styles=[style()], loaded=loaded)
    assert {path.name for path in written} == set(sizes)
    record = json.loads((tmp_path / "new" / f"{format}.manifest.json").read_text())
    assert set(record["files"]) == set(sizes)
    package = {"litert": "ai-edge-litert", "onnx": "tf2onnx"}[format]
    assert record["versions"][package] == importlib.metadata.version(package)
    for path in written:
        assert record["files"][path.name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        run = litert_onnx.runner(path.name, path.read_bytes())
        for height, width in sizes[path.name]:
            content = tiny_network.picture(height, width, seed=height)
            for strength in (1.0, 0.25):
                config = configs.AdainConfig(strength=strength, style_max_side_px=50)
                expected = one_pass.AdainTransfer(config, loaded=loaded)(content, style()).image
                received = run(content, np.array([strength], np.float32))
                apart = np.abs(received - expected).mean() * 255
                assert apart < (0.5 if path.name.startswith("float16") else 0.05)


@pytest.fixture(scope="module")
def onnx_file(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")
    (path,) = litert_onnx.export(folder, CONFIG, limits("onnx"), styles=[style()], loaded=loaded)
    return path


def test_the_onnx_file_is_valid_by_the_specification(onnx_file):
    onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
    from onnx import reference

    model = onnx.load(onnx_file)
    onnx.checker.check_model(model, full_check=True)
    content, strength = tiny_network.picture(23, 31), np.array([0.7], np.float32)
    (received,) = reference.ReferenceEvaluator(model).run(None, {"content": content, "style_strength": strength})
    expected = litert_onnx.runner("model.onnx", onnx_file.read_bytes())(content, strength)
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_the_onnx_file_takes_batches_and_names_its_axes_and_origin(onnx_file):
    onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")

    model = onnx.load(onnx_file)
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    pictures = ["batch", "height", "width", 3]
    assert shapes == {"content": pictures, "style_strength": ["batch"], "stylized": pictures}
    props = {prop.key: prop.value for prop in model.metadata_props}
    assert props["licence"] == "ours"
    assert props["source"] == "random; random"
    assert props["nst_tf"] == model.producer_version
    run = litert_onnx.runner("model.onnx", onnx_file.read_bytes())
    contents = np.concatenate([tiny_network.picture(20, 24, seed=seed) for seed in range(3)])
    strengths = np.array([1.0, 0.5, 0.0], np.float32)
    each = [run(contents[n : n + 1], strengths[n : n + 1])[0] for n in range(3)]
    np.testing.assert_allclose(run(contents, strengths), each, atol=1e-5)


def test_a_file_that_the_specification_does_not_have_is_refused_and_nothing_is_written(loaded, monkeypatch, tmp_path):
    make = litert_onnx._onnx
    monkeypatch.setattr(
        litert_onnx,
        "_onnx",
        lambda *args: {name: data.replace(b"asymmetric", b"asymmetrik") for name, data in make(*args).items()},
    )
    monkeypatch.setattr(litert_onnx, "runner", lambda name, data: lambda content, _: content)
    monkeypatch.setitem(litert_onnx._TOLERANCE_LEVELS, "float32", (255, 255))
    with pytest.raises(errors.ExportError, match=r"must be valid ONNX of opset 18. Received: .*asymmetrik"):
        litert_onnx.export(tmp_path / "new", CONFIG, limits("onnx"), styles=[style()], loaded=loaded)
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_file_without_its_style_is_refused(loaded, tmp_path):
    with pytest.raises(errors.ExportError, match="Give --style"):
        litert_onnx.export(tmp_path, CONFIG, limits("litert"), styles=[], loaded=loaded)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(litert_onnx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ExportError, match=r"pip install 'nst-tf\[litert\]'"):
        litert_onnx.check_installed("litert")


def test_gatys_is_for_saved_models_only():
    with pytest.raises(errors.ConfigError, match="--format=onnx is for one pass"):
        configs.ExportConfig(format="onnx")
