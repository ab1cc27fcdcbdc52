"""Raw text to pretraining records."""
