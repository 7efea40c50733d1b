"""Where the networks' weights come from.

Packages, files, the cache, and the self-test that refuses anything but VGG-19. What a network computes belongs to
`vgg` and `networks`.
"""

from nst_tf import public_names

__getattr__, __dir__, __all__ = public_names.attach(__name__, __file__)
