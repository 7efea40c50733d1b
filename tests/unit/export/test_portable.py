import functools
import hashlib
import importlib.metadata
import json

import numpy as np
import pytest
import tensorflow as tf

from nst_tf import configs, errors
from nst_tf.export import onnx_files, portable
from nst_tf.networks import adain as networks_adain
from nst_tf.networks import one_style
from nst_tf.pictures import images
from nst_tf.weights import multi_style as weights
from tests.tiny import tiny_adain, tiny_multi_style, tiny_network

RECORD = {"source": "random", "sha256": "0", "licence": "ours"}
CONFIG = configs.AdainConfig()
STYLES_CONFIG = configs.MultiStyleConfig()
STYLES = tiny_multi_style.loaded()
FILES = {
    "litert": {"float32.tflite", "float16.tflite", "int8-weights.tflite"},
    "onnx": {"model.onnx"},
    "plain": {"saved_model"},
}
PACKAGES = {"litert": "ai-edge-litert", "onnx": "tf2onnx", "plain": "tensorflow"}
TOLERANCE = {"float16": 0.5, "int8-weights": 3.0}  # levels on average; of the rest .05


@pytest.fixture(scope="module")
def loaded():
    return networks_adain.Loaded(tiny_adain.network(), "float32", {"encoder": RECORD, "decoder": RECORD})


def style(seed=3):
    return images.Picture(pixels=tiny_network.picture(40, 50, seed=seed), alpha=None, sha256="0", name="style")


def limits(format, method="adain"):
    return configs.ExportConfig(method=method, format=format)


def runner(path):
    """What computes a file's picture: the runtime of its format, for a folder TensorFlow's loader."""
    if path.is_dir():
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        return lambda inputs: signature(**{name: tf.constant(v) for name, v in inputs.items()})["stylized"].numpy()
    return portable.runner(path.name, path.read_bytes())


def check_record(folder, format, written):
    record = json.loads((folder / f"{format}.manifest.json").read_text())
    assert record["versions"][PACKAGES[format]] == importlib.metadata.version(PACKAGES[format])
    assert {name.partition("/")[0] for name in record["files"]} == {path.name for path in written}
    for name, facts in record["files"].items():
        assert facts["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return record


@pytest.fixture(scope="module")
def files_of_adain(loaded, tmp_path_factory):
    """The files of a format, exported once: folder and paths."""

    @functools.cache
    def export(format):
        folder = tmp_path_factory.mktemp(format) / "new"
        return folder, portable.export(folder, CONFIG, limits(format), styles=[style()], loaded=loaded)

    return export


@pytest.mark.parametrize("format", FILES)
def test_a_file_of_adain_gives_pythons_picture_of_any_size_in_its_own_runtime(loaded, files_of_adain, format):
    folder, written = files_of_adain(format)
    assert {path.name for path in written} == FILES[format]
    check_record(folder, format, written)
    for path in written:
        run = runner(path)
        for height, width, strength in ((30, 44, 1.0), (17, 61, 0.25)):
            content = tiny_network.picture(height, width, seed=height)
            expected = tiny_adain.engine(strength=strength, style_max_side_px=50)(content, style()).image
            received = run({"content": content, "style_strength": np.array([strength], np.float32)})
            assert np.abs(received - expected).mean() * 255 < TOLERANCE.get(path.stem, 0.05)


# The converter to the other format is in make test with AdaIN's file.
@pytest.mark.parametrize("format", [pytest.param("litert", marks=pytest.mark.slow), "onnx", "plain"])
def test_a_file_of_many_styles_takes_gamma_and_beta_and_knows_its_names(monkeypatch, tmp_path, format):
    monkeypatch.chdir(tmp_path)
    written = portable.export("new", STYLES_CONFIG, limits(format, "multi-style"), loaded=STYLES)  # from where one is
    assert {path.name for path in written} == {*FILES[format], portable.STYLES}
    check_record(tmp_path / "new", format, written)
    known = json.loads((tmp_path / "new" / portable.STYLES).read_text())
    assert known["names"] == ["0", "1", "2"]
    for path in written[:-1]:
        run = runner(path)
        for height, width, number in ((50, 44, 1), (33, 61, 2)):
            content = tiny_network.picture(height, width, seed=height)
            expected = tiny_multi_style.engine(strength=0.8)(content, f"style:{number}").image
            parts = {part: np.array(known[part], np.float32)[number : number + 1] for part in ("gamma", "beta")}
            parts["style_strength"] = np.array([0.8], np.float32)
            assert np.abs(run({"content": content} | parts) - expected).mean() * 255 < TOLERANCE.get(path.stem, 0.05)


@pytest.mark.slow  # the file of a style with a network of its own has its style inside as well
def test_a_learned_style_is_baked_in(tmp_path):
    learned = tiny_multi_style.style_file()
    (path,) = portable.export(tmp_path, STYLES_CONFIG, limits("onnx", "multi-style"), styles=[learned], loaded=STYLES)
    content = tiny_network.picture(41, 38)
    expected = tiny_multi_style.engine()(content, learned).image
    received = runner(path)({"content": content, "style_strength": np.ones([1], np.float32)})
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_a_style_with_a_network_of_its_own_brings_it_along(tmp_path):
    kernels = tiny_multi_style.kernels(seed=4)
    sha256 = weights.kernels_sha256(kernels)
    style = tiny_multi_style.style_file(kernels=kernels, network_sha256=sha256)
    what = {"styles": [style], "loaded": one_style.load(style)}
    (path,) = portable.export(tmp_path, STYLES_CONFIG, limits("onnx", "one-style"), **what)
    content = tiny_network.picture(41, 38)
    received = runner(path)({"content": content, "style_strength": np.ones([1], np.float32)})
    np.testing.assert_allclose(received, one_style.OneStyleTransfer()(content, style).image, atol=1e-5)
    assert json.loads((tmp_path / "onnx.manifest.json").read_text())["method"] == "one-style"


@pytest.fixture
def onnx_file(files_of_adain):
    _, (path,) = files_of_adain("onnx")
    return path


def test_the_onnx_file_is_valid_by_the_specification(onnx_file):
    onnx = pytest.importorskip("onnx", reason="needs the extra [onnx]")
    from onnx import reference

    model = onnx.load(onnx_file)
    onnx.checker.check_model(model, full_check=True)
    inputs = {"content": tiny_network.picture(23, 31), "style_strength": np.array([0.7], np.float32)}
    (received,) = reference.ReferenceEvaluator(model).run(None, inputs)
    np.testing.assert_allclose(received, runner(onnx_file)(inputs), atol=1e-5)


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
    run = runner(onnx_file)
    contents = np.concatenate([tiny_network.picture(20, 24, seed=seed) for seed in range(3)])
    strengths = np.array([1.0, 0.5, 0.0], np.float32)
    each = [run({"content": contents[n : n + 1], "style_strength": strengths[n : n + 1]})[0] for n in range(3)]
    np.testing.assert_allclose(run({"content": contents, "style_strength": strengths}), each, atol=1e-5)


def test_a_file_that_the_specification_does_not_have_is_refused_and_nothing_is_written(loaded, monkeypatch, tmp_path):
    make = onnx_files.convert
    monkeypatch.setattr(onnx_files, "convert", lambda *args: make(*args).replace(b"asymmetric", b"asymmetrik"))
    monkeypatch.setattr(portable, "runner", lambda name, data: lambda inputs: inputs["content"])
    monkeypatch.setitem(portable._TOLERANCE_LEVELS, "float32", (255, 255))
    with pytest.raises(errors.ExportError, match=r"must be valid ONNX of opset 18. Received: .*asymmetrik"):
        portable.export(tmp_path / "new", CONFIG, limits("onnx"), styles=[style()], loaded=loaded)
    assert not list(tmp_path.rglob("*.onnx"))


def test_a_plain_saved_model_with_a_check_is_refused_and_the_one_before_it_stays(loaded, files_of_adain, monkeypatch):
    folder, _ = files_of_adain("plain")
    before = (folder / "saved_model" / "saved_model.pb").read_bytes()

    def checked(content, strength):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_min(content) >= 0, [content])]):
            return tf.identity(content)

    monkeypatch.setattr(loaded.network, "apply", lambda content, style, strength: checked(content, strength))
    with pytest.raises(errors.ExportError, match="cannot hold Assert"):
        portable.export(folder, CONFIG, limits("plain"), styles=[style()], loaded=loaded)
    assert (folder / "saved_model" / "saved_model.pb").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["plain.manifest.json", "saved_model"]


def test_a_file_of_adain_without_its_style_is_refused(loaded, tmp_path):
    with pytest.raises(errors.ExportError, match="Give --style"):
        portable.export(tmp_path, CONFIG, limits("litert"), styles=[], loaded=loaded)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(portable.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ExportError, match=r"pip install 'nst-tf\[litert\]'"):
        portable.check_installed("litert")


def test_gatys_is_for_saved_models_only():
    with pytest.raises(errors.ConfigError, match="--format=onnx is for one pass"):
        configs.ExportConfig(format="onnx")
