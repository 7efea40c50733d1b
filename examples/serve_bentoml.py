"""A bundle in BentoML; needs no nst_tf.

BUNDLE=saved_models/styles/1 bentoml serve examples.serve_bentoml:Stylise
curl -s -F picture=@photo.jpg -F style=redon localhost:3000/stylize > out.png
"""

import os
import pathlib

import bentoml
import tensorflow as tf


@bentoml.service(traffic={"timeout": 60})
class Stylise:
    """One-pass styles by name."""

    def __init__(self) -> None:
        self.model = tf.saved_model.load(os.environ["BUNDLE"])

    @bentoml.api
    def stylize(
        self,
        ctx: bentoml.Context,
        picture: pathlib.Path,
        style: str | int = "redon",  # a form's 7 arrives as a number
        strength: float = 1.0,
        max_side_px: int = 512,
    ) -> pathlib.Path:
        """A JPEG or PNG in, a PNG out."""
        inputs = {"content_bytes": [picture.read_bytes()], "style": [str(style)]}
        inputs |= {"style_strength": [strength], "max_side_px": [max_side_px]}
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        (stylized,) = self.model.signatures["serving_default"](**tensors)["stylized_bytes"].numpy()
        output = pathlib.Path(ctx.temp_dir) / "out.png"
        output.write_bytes(stylized)
        return output
