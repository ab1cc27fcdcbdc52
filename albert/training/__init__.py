"""The task interface and the training loop: a step, replicas, optimizers, hooks."""
