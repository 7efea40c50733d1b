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
        ("litert", {"float32.tflite": [(30, 44)], "float16.tflite": [(30, 44)]}),
        ("onnx", {"model.onnx": [(30, 44), (17, 61)]}),
    ],
)
def test_a_file_gives_pythons_picture_in_its_own_runtime(loaded, tmp_path, format, sizes):
    written = litert_onnx.export(tmp_path / "new", CONFIG, limits(format), styles=[style()], loaded=loaded)
    assert {path.name for path in written} == set(sizes)
    record = json.loads((tmp_path / "new" / f"{format}.manifest.json").read_text())
    assert set(record["files"]) == set(sizes)
    for path in written:
        run = litert_onnx.runner(path.name, path.read_bytes())
        for height, width in sizes[path.name]:
            content = tiny_network.picture(height, width, seed=height)
            for strength in (1.0, 0.25):
                config = configs.AdainConfig(style_strength=strength, style_max_side_px=50)
                expected = one_pass.AdainTransfer(config, loaded=loaded)(content, style()).image
                received = run(content, np.array([strength], np.float32))
                apart = np.abs(received - expected).mean() * 255
                assert apart < (0.5 if path.name.startswith("float16") else 0.05)


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
