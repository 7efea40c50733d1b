"""Bundles that TensorFlow Serving loads, and smaller formats for the one-pass networks."""
