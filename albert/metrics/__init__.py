"""Scores of predictions (no TensorFlow)."""
