"""Talking to a model server that runs a bundle of `export`.

Requests over gRPC and REST, and their answers. What the server runs belongs to `export`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
