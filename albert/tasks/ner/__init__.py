"""Named entity recognition: CoNLL files, labels, graph, scores, predictions."""
