"""Checkpoints: variables, the best one, what belongs to them, and their export."""
