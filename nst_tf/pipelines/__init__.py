"""Whole data sets: style as augmentation in tf.data and Keras, and folders of pictures by Apache Beam.

Single pictures belong to `optimisation` and `networks`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
