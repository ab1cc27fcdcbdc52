"""Vocabularies, tokenisers and word segmentation (no TensorFlow)."""
