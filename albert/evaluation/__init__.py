"""Evaluation of checkpoints, after training and while it runs; curves and plots."""
