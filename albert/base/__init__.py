"""Errors, files, progress, checks and what scripts share (no TensorFlow)."""
