"""The slow method: an image is optimised until its features fit.

`transfer` is the main path; sizes, memory, steps, optimisers, checkpoints and logs are its parts. What is minimised
belongs to `losses`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
