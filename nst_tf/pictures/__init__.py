"""Files, bytes and arrays to pictures [1, H, W, 3] in [0, 1], and back.

Reading, writing, colour profiles, samples, and the pictures of a run. Nothing here computes with a network, and only
this wing and `figures` draw with Pillow.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
