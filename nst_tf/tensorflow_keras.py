"""Keras, once it is certain that it computes with TensorFlow: what of nst_tf needs Keras imports it from here."""

from nst_tf import keras_backend

keras_backend.check()

import keras as keras  # noqa: E402  # after the check, whose error is the one to read
