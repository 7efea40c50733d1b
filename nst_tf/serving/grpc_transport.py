"""PredictionService over gRPC; the package tensorflow-serving-api and TensorFlow are imported when it is used."""

from typing import Any

import numpy as np

from nst_tf import configs, errors
from nst_tf.serving import transport


class Grpc:
    """PredictionService over gRPC."""

    def __init__(self, config: configs.ClientConfig) -> None:
        errors.need_package(
            "gRPC needs",
            "tensorflow_serving",
            "tensorflow-serving-api",
            "serving",
            otherwise=", or use --transport=rest",
            kind=errors.ServingError,
        )
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self._config = config
        options = [(f"grpc.max_{way}_message_length", transport.MAX_MESSAGE_BYTES) for way in ("send", "receive")]
        host = config.server.partition("://")[2] or config.server
        if config.server.startswith("https://"):
            channel = grpc.secure_channel(host, grpc.ssl_channel_credentials(), options)
        else:
            channel = grpc.insecure_channel(host, options)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def inputs(self, signature: str, timeout_s: float) -> set[str]:
        """See `Transport`."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._name(request.model_spec)
        answer = self._call(self._stub.GetModelMetadata, request, timeout_s)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        return set(signatures.signature_def[signature].inputs)

    def predict(self, signature: str, values: transport.Values, timeout_s: float) -> dict[str, list[Any]]:
        """See `Transport`."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._name(request.model_spec)
        request.model_spec.signature_name = signature
        for name, items in values.items():
            is_string = name.endswith("_bytes") or name in transport.TEXTS
            dtype = object if is_string else transport.DTYPES.get(name, np.float32)
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
                raise transport.Unavailable(details) from error
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise transport.late(self._config) from error
            raise transport.refused(self._config, code.name, details) from error
