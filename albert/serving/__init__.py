"""A trained model in use: predictors, files of text, a service."""
