"""Films: read, stylised frame after frame so that they do not flicker, and written.

How a single picture is stylised belongs to `networks` and `optimisation`; flow between frames to `pictures.flow`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
