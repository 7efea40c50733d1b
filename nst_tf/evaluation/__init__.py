"""Measurements of finished pictures, whatever method made them.

No measurement here changes a picture; what an optimisation minimises belongs to `losses`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
