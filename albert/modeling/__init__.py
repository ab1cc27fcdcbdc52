"""The model: layers, embeddings, encoders and heads."""
