"""Machine reading: questions answered by a span of their passage."""
