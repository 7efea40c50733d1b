"""VGG-19, the network whose features hold content and style.

Its geometry is in `layers`, Keras' model with taps in `extractor`. Where its weights come from belongs to `weights`,
what is computed from its features to `losses`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
