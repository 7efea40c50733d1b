"""A stand-in for TensorFlow Serving in tests: its PredictionService and REST form, over TensorFlow's C library.

    python -m tests.programs.serving_stand_in ROOT... [--unavailable=N]

It serves the newest version of the model at each ROOT, prints its two ports as JSON, and runs until its input closes.
The first N calls of each transport are answered UNAVAILABLE.
"""

import base64
import concurrent.futures
import http.server
import json
import pathlib
import sys
import threading

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from nst_tf.export import replay


class Model:
    def __init__(self, root):
        self.name = root.name
        self.version = max(int(path.name) for path in root.iterdir() if path.name.isdecimal())
        bundle = root / str(self.version)
        model = saved_model_pb2.SavedModel.FromString((bundle / "saved_model.pb").read_bytes())
        self.signatures = dict(model.meta_graphs[0].signature_def)
        self.session = replay.Session(bundle)

    def run(self, signature, inputs):
        specs = self.signatures[signature].inputs
        inputs = {
            name: [item.encode() if isinstance(item, str) else item for item in value] for name, value in inputs.items()
        }
        typed = {
            name: np.array(value, object if specs[name].dtype == 7 else tf.as_dtype(specs[name].dtype).as_numpy_dtype)
            for name, value in inputs.items()
        }
        return self.session.run(signature, typed)


def decoded(value):
    """What JSON has for bytes, at any depth of lists."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models, unavailable):
        self.models = models
        self.refusals_left = unavailable

    def _model(self, request, context):
        if self.refusals_left:
            self.refusals_left -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        name, version = request.model_spec.name, request.model_spec.version.value
        model = self.models.get(name)
        if model is None or version not in (0, model.version):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {name} {version}")
        return model

    def Predict(self, request, context):
        model = self._model(request, context)
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        try:
            outputs = model.run(request.model_spec.signature_name, inputs)
        except RuntimeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    def GetModelMetadata(self, request, context):
        model = self._model(request, context)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=model.signatures)
        response.metadata["signature_def"].Pack(signatures)
        return response


def rest_handler(models, unavailable):
    class Handler(http.server.BaseHTTPRequestHandler):
        refusals_left = unavailable

        def do_GET(self):
            self._answer("/metadata", self._metadata)

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(":predict", lambda model: self._predict(model, body))

        def _metadata(self, model):
            defs = {name: json_format.MessageToDict(signature) for name, signature in model.signatures.items()}
            return {"model_spec": {"name": model.name}, "metadata": {"signature_def": {"signature_def": defs}}}

        def _predict(self, model, body):
            inputs = {name: decoded(items) for name, items in body["inputs"].items()}
            outputs = {
                name: [{"b64": base64.b64encode(item).decode()} for item in array]
                if name.endswith("_bytes")
                else array.tolist()
                for name, array in model.run(body["signature_name"], inputs).items()
            }
            return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}

        def _answer(self, path, make):
            places = {
                f"/v1/models/{model.name}{version}{path}": model
                for model in models.values()
                for version in ("", f"/versions/{model.version}")
            }
            code = 200
            if Handler.refusals_left:
                Handler.refusals_left -= 1
                code, answer = 503, {"error": "starting"}
            elif self.path not in places:
                code, answer = 404, {"error": f"Servable not found for request: {self.path}"}
            else:
                try:
                    answer = make(places[self.path])
                except RuntimeError as error:
                    code, answer = 400, {"error": str(error)}
            text = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    return Handler


def main(*arguments):
    unavailable = sum(int(argument.partition("=")[2]) for argument in arguments if argument.startswith("--"))
    roots = [pathlib.Path(argument) for argument in arguments if not argument.startswith("--")]
    models = {root.name: Model(root) for root in roots}
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(4),
        options=[(f"grpc.max_{way}_message_length", 2**31 - 1) for way in ("send", "receive")],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(models, unavailable), server)
    grpc_port = server.add_insecure_port("localhost:0")
    server.start()
    rest = http.server.ThreadingHTTPServer(("localhost", 0), rest_handler(models, unavailable))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    print(json.dumps({"grpc": grpc_port, "rest": rest.server_address[1]}), flush=True)
    sys.stdin.read()
    server.stop(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
