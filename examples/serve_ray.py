"""A bundle in Ray Serve; needs no nst_tf.

BUNDLE=saved_models/styles/1 serve run examples.serve_ray:app
curl -s --data-binary @photo.jpg 'localhost:8000/?style=redon' > out.png
"""

import os

import tensorflow as tf
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=1, max_ongoing_requests=2)
class Stylise:
    """One-pass styles by name."""

    def __init__(self, bundle: str) -> None:
        self.model = tf.saved_model.load(bundle)

    async def __call__(self, request: Request) -> Response:
        """A JPEG or PNG in, a PNG out."""
        asked = request.query_params
        inputs = {"content_bytes": [await request.body()], "style": [asked.get("style", "redon")]}
        inputs["style_strength"] = [float(asked.get("strength", 1))]
        inputs["max_side_px"] = [int(asked.get("max_side_px", 512))]
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (stylized,) = self.model.signatures["serving_default"](**tensors)["stylized_bytes"].numpy()
        return Response(stylized, media_type="image/png")


app = Stylise.bind(os.environ["BUNDLE"])
