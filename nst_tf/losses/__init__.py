"""The objective: eq. 1 to 7, total variation, the list of named terms, and the same in tiles.

A new term is a file here. How the objective is minimised belongs to `optimisation`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
