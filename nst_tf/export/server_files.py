"""What TensorFlow Serving reads beside a SavedModel: warm-up requests, batching, configuration, and a compose file."""

import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from google.protobuf import text_format

from nst_tf import errors
from nst_tf.export import trial_requests

WARMUP = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
BATCHING = "batching.config"
_LARGEST_REQUEST_BATCHES = 8  # how many times the largest batch a request may be; it is split
_REQUEST_TIMEOUT_MS = 600_000  # of REST, whose default of 30 s an optimisation exceeds


def check_installed() -> None:
    """Finds out before any work whether the server's protos are there.

    Raises:
        ExportError: the extra is missing.
    """
    errors.need_package(
        "a bundle's warm-up requests need",
        "tensorflow_serving",
        "tensorflow-serving-api",
        "serving",
        kind=errors.ExportError,
    )


def warmup(requests: Sequence[trial_requests.Example], model: str, path: pathlib.Path) -> None:
    """Writes the requests that a server runs before it offers a version: a TFRecord of PredictionLog.

    The server refuses a version one of whose warm-up requests fails.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            message = predict_pb2.PredictRequest()
            message.model_spec.name = model
            message.model_spec.signature_name = request.signature
            for name, values in request.inputs.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=message))
            writer.write(log.SerializeToString())


def batching(max_batch_size: int) -> str:
    """The parameters under which a server merges requests; without allowed_batch_sizes none is padded.

    They are those of the whole server: of a file beside one model it reads all but num_batch_threads, and would start
    a thread of batches for each core, each of which uses every core.

    Source: tensorflow_serving/servables/tensorflow/bundle_factory_util.h, GetQueueOptions: max_batch_size is the
    largest request, max_execution_batch_size the largest batch. A larger request is refused without the splitting.
    """
    return f"""max_batch_size {{ value: {_LARGEST_REQUEST_BATCHES * max_batch_size} }}
enable_large_batch_splitting {{ value: true }}
max_execution_batch_size {{ value: {max_batch_size} }}
batch_timeout_micros {{ value: 10000 }}
max_enqueued_batches {{ value: {2 * _LARGEST_REQUEST_BATCHES} }}
num_batch_threads {{ value: 1 }}
"""


def model_files(model: str, max_batch_size: int) -> dict[str, str]:
    """The files at a model's root: name -> text. With a max_batch_size of 0 the server merges no requests."""
    from tensorflow_serving.config import model_server_config_pb2

    folder = f"/models/{model}"
    server = model_server_config_pb2.ModelServerConfig()
    server.model_config_list.config.add(name=model, base_path=folder, model_platform="tensorflow")
    options = {
        "model_config_file": f"{folder}/models.config",
        "model_config_file_poll_wait_seconds": 60,
        "monitoring_config_file": f"{folder}/monitoring.config",
        "rest_api_timeout_in_ms": _REQUEST_TIMEOUT_MS,
    }
    if max_batch_size:
        options |= {"enable_batching": "true", "batching_parameters_file": f"{folder}/{BATCHING}"}
    texts = {
        "models.config": text_format.MessageToString(server),
        "monitoring.config": 'prometheus_config {\n  enable: true\n  path: "/monitoring/prometheus/metrics"\n}\n',
        "compose.yaml": _compose(folder, options),
    }
    return texts | ({BATCHING: batching(max_batch_size)} if max_batch_size else {})


def _compose(folder: str, options: dict[str, Any]) -> str:
    """A compose file for the official images: `docker compose --profile cpu up`, or gpu."""
    command = "\n".join(f"    - --{name}={value}" for name, value in options.items())
    return f"""# docker compose --profile cpu up    (or: --profile gpu)
# TF_SERVING_TAG names another tag of the image, at least as new as the TensorFlow that exported the bundle.
x-server: &server
  command:
{command}
  ports:
    - "8500:8500" # gRPC
    - "8501:8501" # REST and /monitoring/prometheus/metrics
  volumes:
    - .:{folder}:ro
  restart: unless-stopped
services:
  cpu:
    <<: *server
    profiles: [cpu]
    image: tensorflow/serving:${{TF_SERVING_TAG:-latest}}
  gpu:
    <<: *server
    profiles: [gpu]
    image: tensorflow/serving:${{TF_SERVING_TAG:-latest-gpu}}
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""
