"""Data creation over workers, shards and Apache Beam, killed and resumed."""
