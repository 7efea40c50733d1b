"""Neural style transfer after Gatys, Ecker and Bethge, for TensorFlow and Keras. Importing it does no work."""

__version__ = "0.1.0"
