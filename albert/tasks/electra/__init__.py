"""Replaced token detection, as ELECTRA pretrains."""
