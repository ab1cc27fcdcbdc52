"""Pretraining records: their features, their files, and what is wrong with them."""
