"""Neural style transfer after Gatys, Ecker and Bethge, for TensorFlow and Keras.

The public names are listed in `__init__.pyi` and imported on first use, so that `import nst_tf` loads no TensorFlow.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
