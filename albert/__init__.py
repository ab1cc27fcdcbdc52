"""Chinese ALBERT: pretraining data, pretraining and named entity recognition."""

import os

# TensorFlow reads this when it is imported: without it, each start prints a page of
# device registrations. Set it to 0 to see them.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
