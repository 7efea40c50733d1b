"""Replays the requests that a bundle brings along in whatever TensorFlow is installed, which knows nothing of nst_tf.

python older_tensorflow.py BUNDLE FOLDER: writes NAME.outputs.npz for each request, and prints TensorFlow's version.
"""

import pathlib
import sys

import numpy as np
import tensorflow as tf

bundle, folder = map(pathlib.Path, sys.argv[1:])
model = tf.saved_model.load(str(bundle))
for path in sorted((bundle / "assets.extra" / "examples").glob("*.inputs.npz")):
    with np.load(path) as archive:
        inputs = dict(archive)
    signature = model.signatures[str(inputs.pop("signature"))]
    outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    plain = {name: np.asarray(value) for name, value in outputs.items()}
    np.savez(
        folder / path.name.replace("inputs", "outputs"),
        **{name: value.astype("S") if value.dtype == object else value for name, value in plain.items()},
    )
print(tf.__version__)
