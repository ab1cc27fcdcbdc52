"""Configurations: frozen dataclasses that parse and validate (no TensorFlow)."""
