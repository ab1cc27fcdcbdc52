"""Chinese ALBERT: pretraining data, pretraining and named entity recognition."""

__version__ = "0.1.0"
