"""Masked language modelling and sentence order prediction on records."""
