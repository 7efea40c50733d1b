"""The papers' figures: which runs they need, the runs themselves, and the pages drawn from them.

A method belongs to its own wing, a measurement to `evaluation`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
