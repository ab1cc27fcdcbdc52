"""What a labelling gets wrong, and which of two is better (no TensorFlow)."""
