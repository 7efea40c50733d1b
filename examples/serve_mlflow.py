"""A bundle as an MLflow model; needs no nst_tf.

    python examples/serve_mlflow.py saved_models/styles/1 styles-mlflow
    mlflow models serve --model-uri styles-mlflow --env-manager local --port 5000

A row of a request has a picture in base64 and a style; a row of the answer is a PNG in base64.
"""

import base64
import sys
from typing import Any

import mlflow
import pandas as pd
import tensorflow as tf


class Stylise(mlflow.pyfunc.PythonModel):
    """One-pass styles by name."""

    def load_context(self, context: Any) -> None:
        """Loads the bundle that was logged beside the model."""
        self.model = tf.saved_model.load(context.artifacts["bundle"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[str]:
        """The columns `picture` and `style` in, PNG files out."""
        inputs = {"content_bytes": [base64.b64decode(text) for text in model_input["picture"]]}
        inputs |= {"style": list(model_input["style"]), "style_strength": [1.0] * len(model_input)}
        inputs["max_side_px"] = [512] * len(model_input)
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        stylized = self.model.signatures["serving_default"](**tensors)["stylized_bytes"].numpy()
        return [base64.b64encode(png).decode() for png in stylized]


if __name__ == "__main__":
    bundle, path = sys.argv[1:]
    requirements = ["mlflow", "pandas", "tensorflow"]
    mlflow.pyfunc.save_model(path, python_model=Stylise(), artifacts={"bundle": bundle}, pip_requirements=requirements)
