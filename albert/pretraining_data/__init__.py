"""Raw text to pretraining records (no TensorFlow)."""
