"""A client of a served bundle, over gRPC or REST. REST needs no TensorFlow here.

The client does for pictures what a graph does not: EXIF orientation, ICC profiles, transparency.
"""

import base64
import contextlib
import importlib.util
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from nst_tf import adain_configs, client_configs, configs, errors, images, inputs, samples

SIGNATURE = "serving_default"
MAX_MESSAGE_BYTES = 2**31 - 1  # gRPC's own limit for answers is 4 MiB, less than a large PNG
_FIRST_WAIT_S = 0.5
_DTYPES = {"steps": np.int32, "seed": np.int32, "max_side_px": np.int32}  # float32 otherwise

Values = Mapping[str, Sequence[Any]]  # name -> one value for each element of the batch; encoded pictures are bytes


class Pictures(NamedTuple):
    """The pictures of a request."""

    content: images.Picture
    style: images.Picture | None


class _Unavailable(Exception):
    """The server is not there now and may be soon."""


class Transport(Protocol):
    """One way to a server. Each call is made once; it raises `_Unavailable` or `ServingError`."""

    def signature(self, timeout_s: float) -> set[str]:
        """The names of the inputs of `SIGNATURE`."""

    def predict(self, values: Values, timeout_s: float) -> dict[str, list[Any]]:
        """Runs `SIGNATURE` once: the outputs, each a list with one item for each element."""


def stylize(
    content: inputs.Source, style: inputs.Source | None, config: client_configs.ClientConfig | None = None
) -> images.Picture:
    """Has a server render a picture in the style of another.

    Args:
        content: a path, `sample:NAME` or an `images.Picture`.
        style: the same; None for a bundle that has its style inside.
        config: the server and the settings of the request.

    Returns:
        The result, with the content picture's transparency.

    Raises:
        ServingError: the server cannot be reached, does not answer in time, or refuses; the message says which.
        ImageError: a picture that cannot be read.
    """
    config = client_configs.ClientConfig() if config is None else config
    picture, style_picture = load(content, style, config)
    values = {"content_bytes": [images.encode(picture.pixels, ".png")]}
    if style_picture is not None:
        values["style_bytes"] = [images.encode(style_picture.pixels, ".png")]
    outputs = predict(values, config)
    try:
        (encoded,) = outputs["stylized_bytes"]
    except (KeyError, ValueError) as error:
        raise errors.ServingError(
            f"{config.model} must answer with one picture, stylized_bytes. Received: {', '.join(outputs)}."
        ) from error
    result = images.load(encoded, name=f"the answer of {config.server}")
    alpha = picture.alpha
    if alpha is not None:
        alpha = images.resize(alpha, result.height_px, result.width_px)
    return images.Picture(pixels=result.pixels, alpha=alpha, sha256=result.sha256, name=picture.name)


def load(content: inputs.Source, style: inputs.Source | None, config: client_configs.ClientConfig) -> Pictures:
    """Reads the pictures of a request at the sizes they are sent at; those of `stylize`, before any server is asked."""
    side_px = config.style_max_side_px or config.max_side_px
    return Pictures(_loaded(content, config.max_side_px), None if style is None else _loaded(style, side_px))


def predict(pictures: Values, config: client_configs.ClientConfig) -> dict[str, list[Any]]:
    """Sends encoded pictures with the settings of the request, and again while the server is not available.

    Args:
        pictures: input name -> one JPEG or PNG for each element of the batch.
        config: the server and the settings, which hold for each element.

    Returns:
        Output name -> one item for each element; bytes where the name ends in `_bytes`.

    Raises:
        ServingError: see `stylize`.
    """
    transport = _Grpc(config) if config.transport == "grpc" else _Rest(config)
    deadline = time.monotonic() + config.timeout_s
    taken = _retried(transport.signature, config, deadline)
    batch = len(next(iter(pictures.values())))
    values = dict(pictures) | {name: [value] * batch for name, value in _settings(config, taken).items()}
    if set(values) != taken:
        raise errors.ServingError(
            f"{config.model} takes {', '.join(sorted(taken))}. Received: {', '.join(sorted(values))}. "
            "Give what is missing, and leave out what it does not take."
        )
    return _retried(lambda timeout_s: transport.predict(values, timeout_s), config, deadline)


def _loaded(source: inputs.Source, max_side_px: int) -> images.Picture:
    source = samples.resolve(source) if isinstance(source, str) else source
    if isinstance(source, images.Picture):
        return images.scaled(source, max_side_px)
    return images.load(source, max_side_px=max_side_px)


def _settings(config: client_configs.ClientConfig, taken: set[str]) -> dict[str, Any]:
    """The settings that a model takes and those that were given."""
    defaults = {name: getattr(configs.StyleTransferConfig, name) for name in ("steps", "content_weight", "seed")}
    defaults["style_strength"] = adain_configs.AdainConfig.style_strength
    found = {name: getattr(config, name) for name in defaults}
    settings = {name: value for name, value in found.items() if value is not None}
    settings |= {name: defaults[name] for name in taken.intersection(defaults) - set(settings)}
    if "max_side_px" in taken:
        settings["max_side_px"] = config.max_side_px
    return settings


def _retried(call: Callable[[float], Any], config: client_configs.ClientConfig, deadline: float) -> Any:
    """Makes a call, and makes it again while the server is not available."""
    retry = 0
    while True:
        try:
            return call(max(deadline - time.monotonic(), 0.001))
        except _Unavailable as error:
            wait_s = _FIRST_WAIT_S * 2**retry
            if retry == config.retries or time.monotonic() + wait_s >= deadline:
                raise errors.ServingError(
                    f"{config.server}: the server cannot be reached over {config.transport}, attempts made: "
                    f"{retry + 1}. Received: {errors.one_line(error)}. Check --server, --transport, and that it runs."
                ) from error
            time.sleep(wait_s)
            retry += 1


def _late(config: client_configs.ClientConfig) -> errors.ServingError:
    return errors.ServingError(
        f"{config.server}: no answer within {config.timeout_s:g} s. Raise --timeout_s, or ask for fewer steps or a "
        "smaller size."
    )


def _refused(config: client_configs.ClientConfig, status: object, message: object) -> errors.ServingError:
    text = errors.one_line(str(message).partition("[[{{")[0], max_characters=1000)  # the rest names graph nodes
    return errors.ServingError(f"{config.server} refused the request ({status}): {text}")


class _Grpc:
    """PredictionService over gRPC."""

    def __init__(self, config: client_configs.ClientConfig) -> None:
        if importlib.util.find_spec("tensorflow_serving") is None:
            raise errors.ServingError(
                "gRPC needs the package tensorflow-serving-api. Received: an environment without it. "
                "Run `pip install 'nst-tf[serving]'`, or use --transport=rest."
            )
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._config = config
        options = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("send", "receive")]
        host = config.server.partition("://")[2] or config.server
        if config.server.startswith("https://"):
            channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(), options)
        else:
            channel = grpc.insecure_channel(host, options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def signature(self, timeout_s: float) -> set[str]:
        """See `Transport`."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._name(request.model_spec)
        answer = self._call(self._stub.GetModelMetadata, request, timeout_s)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return set(signatures.signature_def[SIGNATURE].inputs)

    def predict(self, values: Values, timeout_s: float) -> dict[str, list[Any]]:
        """See `Transport`."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._name(request.model_spec)
        request.model_spec.signature_name = SIGNATURE
        for name, items in values.items():
            dtype = object if name.endswith("_bytes") else _DTYPES.get(name, np.float32)
            request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array(items, dtype)))
        answer = self._call(self._stub.Predict, request, timeout_s)
        return {name: list(tf.make_ndarray(tensor)) for name, tensor in answer.outputs.items()}

    def _name(self, model_spec: Any) -> None:
        model_spec.name = self._config.model
        if self._config.model_version is not None:
            model_spec.version.value = self._config.model_version

    def _call(self, method: Any, request: Any, timeout_s: float) -> Any:
        import grpc

        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code == grpc.StatusCode.UNAVAILABLE:
                raise _Unavailable(details) from error
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _late(self._config) from error
            raise _refused(self._config, code.name, details) from error


class _Rest:
    """TensorFlow Serving's REST form."""

    def __init__(self, config: client_configs.ClientConfig) -> None:
        self._config = config
        base = config.server if "://" in config.server else f"http://{config.server}"
        version = "" if config.model_version is None else f"/versions/{config.model_version}"
        self._url = f"{base}/v1/models/{config.model}{version}"

    def signature(self, timeout_s: float) -> set[str]:
        """See `Transport`."""
        metadata = self._call("/metadata", None, timeout_s)["metadata"]
        return set(metadata["signature_def"]["signature_def"][SIGNATURE]["inputs"])

    def predict(self, values: Values, timeout_s: float) -> dict[str, list[Any]]:
        """See `Transport`."""
        sent = {
            name: [{"b64": base64.b64encode(item).decode()} for item in items] if name.endswith("_bytes") else items
            for name, items in values.items()
        }
        body = json.dumps({"signature_name": SIGNATURE, "inputs": sent}).encode()
        outputs = self._call(":predict", body, timeout_s)["outputs"]
        if not isinstance(outputs, dict):  # a single output comes without its name
            outputs = {"stylized_bytes": outputs}
        return {
            name: [base64.b64decode(item["b64"]) if isinstance(item, dict) else item for item in items]
            for name, items in outputs.items()
        }

    def _call(self, path: str, body: bytes | None, timeout_s: float) -> Any:
        request = urllib.request.Request(self._url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError, LookupError, TypeError):
                text = json.loads(text)["error"]
            if error.code == 503:
                raise _Unavailable(text) from error
            if error.code == 504:
                raise _late(self._config) from error
            raise _refused(self._config, f"HTTP {error.code}", text) from error
        except TimeoutError as error:
            raise _late(self._config) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise _late(self._config) from error
            raise _Unavailable(error.reason) from error
        except (OSError, ValueError) as error:  # cut off, or not JSON
            raise _refused(self._config, "no valid answer", error) from error
