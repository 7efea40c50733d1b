"""Networks that stylise in one pass, on the same features as the optimisation.

Their weights come from `weights`; their exports are made in `export`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
