"""Training: photographs to train on, and the loop that learns a new style for a network that has many."""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
