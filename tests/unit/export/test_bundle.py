import dataclasses
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from nst_tf import configs, errors
from nst_tf.export import bundle, manifest, model_card, self_check, server_files, trial_requests
from nst_tf.networks import adain
from tests.tiny import tiny_adain, tiny_bundle


def record_of(folder):
    return json.loads((folder / manifest.PATH).read_text())


def export(root, **limits):
    loaded = adain.Loaded(tiny_adain.network(), "float32", {"licence": "unknown"})
    return bundle.export_adain(root, limits=configs.ExportConfig(method="adain", **limits), loaded=loaded)


def test_the_manifest_says_what_the_bundle_is(tiny_version):
    record = record_of(tiny_version)
    assert record["model"] == "tiny"
    assert record["method"] == "gatys"
    assert record["config"]["precision"] == "float32"
    assert record["limits"]["max_steps"] == 6
    assert record["signatures"]["serving_default"]["inputs"]["content_bytes"] == "string [B]"
    assert record["signatures"]["stylize_tensor"]["outputs"] == {"stylized": "float32 [B, H, W, 3]"}
    assert set(record["versions"]) >= {"nst_tf", "tensorflow", "keras", "tensorflow-serving-api"}
    checks = record["self_check"]["requests"]
    assert {check["signature"] for check in checks.values()} == {"serving_default", "stylize_tensor"}
    for check in checks.values():
        assert 0 <= check["mean_difference_levels"] <= record["self_check"]["tolerance_levels"]["mean"]
    for name, digest in record["files"].items():
        assert hashlib.sha256((tiny_version / name).read_bytes()).hexdigest() == digest
    written = {str(path.relative_to(tiny_version)) for path in tiny_version.rglob("*") if path.is_file()}
    assert written == {*record["files"], str(manifest.PATH)}


def test_the_model_card_names_weights_licences_limits_and_figures(tiny_version):
    record, card = record_of(tiny_version), (tiny_version / model_card.PATH).read_text()
    assert card.startswith("# tiny\n")
    assert record["weights"]["licence"] in card
    assert "At most 6 steps" in card
    for found in record["self_check"]["requests"].values():
        assert f"| {found['signature']} | {found['mean_difference_levels']} |" in card
    assert str(model_card.PATH) in record["files"]


def test_the_model_card_has_each_part_and_style_of_adain():
    part = {"source": "a file", "licence": "MIT | BSD", "sha256": "12"}
    check = {"signature": "s", "mean_difference_levels": 0.1, "largest_difference_levels": 1.0, "seconds": 0.5}
    card = model_card.text(
        {
            "model": "m",
            "method": "adain",
            "styles": [{"name": "painting.jpg", "sha256": "34"}],
            "weights": {"encoder": part, "decoder": part},
            "config": {"max_side_px": 64},
            "limits": {"max_pixels": 99},
            "precision": "float32",
            "self_check": {"requests": {"one": check}},
            "versions": {"nst_tf": "1"},
        }
    )
    assert "The style of painting.jpg (sha256 34) is fixed." in card
    assert "| decoder | a file | MIT \\| BSD | 12 |" in card
    assert "at most 64 px" in card


def test_the_weights_are_inside(tiny_version):
    names = [name for name, _ in tf.train.list_variables(str(tiny_version / "variables" / "variables"))]
    assert sum(name.startswith("weights/") for name in names) == 4


@pytest.mark.slow  # the graph of several styles takes as long again; adain's is in make test
def test_a_bundle_of_gatys_answers_for_several_styles_as_python_in_the_c_library(tmp_path):
    limits = dataclasses.replace(tiny_bundle.LIMITS, several_styles=True)
    version = bundle.export_gatys(tmp_path / "m", tiny_bundle.config(), limits, extractor=tiny_bundle.Network())
    record = json.loads((version / manifest.PATH).read_text())
    assert {check["signature"] for check in record["self_check"]["requests"].values()} == {
        "serving_default", "stylize_tensor", "stylize_blend", "stylize_regions",
    }  # fmt: skip
    assert record["signatures"]["stylize_regions"]["inputs"]["style_mask_bytes"] == "string [B, K]"


def test_the_warm_up_requests_are_those_of_the_check(tiny_version):
    records = tf.data.TFRecordDataset(str(tiny_version / server_files.WARMUP)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    assert [request.model_spec.name for request in requests] == ["tiny", "tiny"]
    for request, path in zip(requests, sorted((tiny_version / bundle.EXAMPLES).glob("*.inputs.npz")), strict=True):
        with np.load(path) as archive:
            inputs = dict(archive)
        assert request.model_spec.signature_name == str(inputs.pop("signature"))
        assert set(request.inputs) == set(inputs)
        for name, tensor in request.inputs.items():
            received = tf.make_ndarray(tensor)
            assert received.dtype.kind == {"S": "O"}.get(inputs[name].dtype.kind, inputs[name].dtype.kind)
            np.testing.assert_array_equal(received.astype(inputs[name].dtype), inputs[name])


def test_the_models_config_is_the_servers(tiny_version):
    text = (tiny_version.parent / "models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("tiny", "/models/tiny", "tensorflow")


def message(name, fields):
    """A message class for a proto that no package brings: fields is name -> (number, type)."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package="ours", syntax="proto3")
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    file.dependency.append(wrappers.name)
    described = file.message_type.add(name=name)
    kinds = descriptor_pb2.FieldDescriptorProto
    for field, (number, kind) in fields.items():
        place = described.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL)
        if kind in ("bool", "string"):
            place.type = {"bool": kinds.TYPE_BOOL, "string": kinds.TYPE_STRING}[kind]
        else:
            place.type, place.type_name = kinds.TYPE_MESSAGE, kind
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ours.{name}"))


def test_the_batching_parameters_are_the_servers(tmp_path):
    # tensorflow_serving/servables/tensorflow/session_bundle_config.proto
    kinds = dict.fromkeys(
        (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
            "max_execution_batch_size",
        ),
        ".google.protobuf.Int64Value",
    )
    kinds["enable_large_batch_splitting"] = ".google.protobuf.BoolValue"
    batching = message("Batching", {name: (i, kind) for i, (name, kind) in enumerate(kinds.items(), 1)})
    parsed = text_format.Parse(server_files.batching(5), batching())
    assert parsed.max_execution_batch_size.value == 5
    assert parsed.enable_large_batch_splitting.value
    assert parsed.max_batch_size.value >= 8 * 5  # the largest request that is not refused
    assert parsed.max_enqueued_batches.value * 5 >= parsed.max_batch_size.value  # a split request finds room
    assert parsed.num_batch_threads.value == 1
    assert parsed.batch_timeout_micros.value > 0


def test_the_monitoring_configuration_is_the_servers(tiny_version):
    # tensorflow_serving/config/monitoring_config.proto
    text = (tiny_version.parent / "monitoring.config").read_text()
    outer, inner = text.split("{", 1)
    assert outer.strip() == "prometheus_config"
    parsed = text_format.Parse(
        inner.rsplit("}", 1)[0], message("Prometheus", {"enable": (1, "bool"), "path": (2, "string")})()
    )
    assert parsed.enable
    assert parsed.path.startswith("/")


def test_the_compose_file_is_valid_with_and_without_batches(tmp_path):
    paths = [tmp_path / f"{batches}.yaml" for batches in (0, 8)]
    for path, batches in zip(paths, (0, 8), strict=True):
        path.write_text(server_files.model_files("m", batches)["compose.yaml"])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    paths[1].write_text(paths[1].read_text().replace("volumes:", "volume:"))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_the_server_merges_requests_only_where_asked_and_reads_its_own_parameters():
    assert configs.ExportConfig(method="adain").max_batch_size == 0
    without = server_files.model_files("m", 0)
    assert "batching" not in without["compose.yaml"]
    assert server_files.BATCHING not in without
    merging = server_files.model_files("m", 8)
    assert "--enable_batching=true" in merging["compose.yaml"]
    # num_batch_threads is read from the server's file only
    assert f"--batching_parameters_file=/models/m/{server_files.BATCHING}" in merging["compose.yaml"]
    assert "per_model" not in merging["compose.yaml"]
    assert merging[server_files.BATCHING] == server_files.batching(8)


class Doubling(tf.Module):
    """A graph that is soon traced, saved and checked."""

    def signatures(self):
        double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        return {"serving_default": double.get_concrete_function()}


def export_doubling(root, factor=2.0, version=None, on_message=lambda _: None, **limits):
    """Exports it with a request whose answer is to be a multiple of its input."""
    x = np.array([0.1, 0.4], np.float32)
    request = trial_requests.Example("numbers", "serving_default", {"x": x}, {"y": np.float32(factor) * x})
    limits = configs.ExportConfig(method="adain", **limits)
    facts = {"method": "adain", "config": dataclasses.asdict(configs.AdainConfig()), "weights": {"licence": "unknown"}}
    with bundle._new_version(root, version) as place:
        return bundle._finish(place, Doubling(), [request], limits, "float32", facts, on_message)


def test_a_version_follows_the_highest_and_a_users_files_stay(tmp_path):
    root, messages = tmp_path / "model", []
    for name in ("1", "6", "not-a-version"):
        (root / name).mkdir(parents=True)
    (root / "models.config").write_text("# mine")
    assert export_doubling(root, on_message=messages.append, max_batch_size=3) == root / "7"
    assert any(message.startswith("warning: the licence") for message in messages)
    assert "value: 3" in (root / server_files.BATCHING).read_text()
    assert any("models.config stays as it is" in message for message in messages)
    assert (root / "models.config").read_text() == "# mine"
    assert sorted(path.name for path in root.iterdir()) == [
        "1", "6", "7", "batching.config", "compose.yaml", "models.config", "monitoring.config", "not-a-version",
    ]  # fmt: skip
    with pytest.raises(errors.ExportError, match="a version is never replaced"):
        export(root, version=7)


def test_a_bundle_that_fails_its_check_leaves_nothing(tmp_path):
    with pytest.raises(errors.ExportError, match=r"must be within 0.05 levels of Python's on average"):
        export_doubling(tmp_path / "model", factor=2.1)
    assert list((tmp_path / "model").iterdir()) == []


class OtherThanInPython(tiny_bundle.Network):
    """Computes other targets in a graph than outside one, as an extractor that looks at its surroundings might."""

    def __call__(self, image):
        return super().__call__(image * (1.0 if tf.executing_eagerly() else 0.7))


@pytest.mark.slow  # a second export of an optimisation
def test_a_bundle_that_computes_otherwise_than_python_is_refused(tmp_path):
    config, limits = tiny_bundle.config(scales=1), configs.ExportConfig(several_styles=False)
    with pytest.raises(errors.ExportError, match=r"must be within 0.05 levels of Python's on average"):
        bundle.export_gatys(tmp_path / "model", config, limits, extractor=OtherThanInPython())


@pytest.mark.parametrize(
    "function",
    [lambda x: tf.numpy_function(np.sqrt, [x], tf.float32), tf.function(tf.sqrt, jit_compile=True)],
    ids=["python", "xla"],
)
def test_operations_that_a_server_does_not_have_are_refused(tmp_path, function):
    module = tf.Module()
    signature = tf.function(lambda x: {"y": function(x)}, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": signature.get_concrete_function()})
    with pytest.raises(errors.ExportError, match="neither the exporter's Python nor XLA"):
        self_check.check(tmp_path, [], trial_requests.TOLERANCE_LEVELS["float32"])


def test_a_bundle_whose_weights_are_damaged_does_not_load(tiny_version, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_version, damaged)
    (values,) = (damaged / "variables").glob("*.data-*")
    values.write_bytes(values.read_bytes()[:-8])
    with pytest.raises(errors.ExportError, match="cannot load the bundle: Read less bytes than requested"):
        self_check.check(damaged, [], trial_requests.TOLERANCE_LEVELS["float32"])


def test_a_name_that_no_url_takes_is_refused(tmp_path):
    with pytest.raises(errors.ExportError, match="Received: 'my model'"):
        export(tmp_path / "my model")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ExportError, match=r"pip install 'nst-tf\[serving\]'"):
        export(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
