"""Bundles that TensorFlow Serving loads, and smaller formats for the one-pass networks.

Asking a server for a picture belongs to `serving`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
