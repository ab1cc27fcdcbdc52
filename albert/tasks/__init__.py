"""What a model is trained for: reading, loss, predictions and scores."""
