"""Classification of texts and pairs: files, labels, graph, scores, predictions."""
