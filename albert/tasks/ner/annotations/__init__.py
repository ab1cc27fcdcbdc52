"""Labelled text in the formats of annotation tools (no TensorFlow)."""
