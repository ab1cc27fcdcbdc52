"""Adversarial training on the embeddings of words.

Miyato et al., "Adversarial Training Methods for Semi-Supervised Text Classification"
(2017), equation 4: epsilon * g / |g| is added to the embeddings, g being the gradient
of the loss. Here g is that of the table of embeddings over the whole batch, so that one
change serves all examples and all replicas, and every encoder has it alike.
"""

from __future__ import annotations

import contextlib
from typing import Iterator, NamedTuple, Sequence

import tensorflow as tf

from albert.base.errors import UserError
from albert.training.replicas import sum_over_replicas, variable_name

v1 = tf.compat.v1

WORD_TABLE = "embeddings/word_embeddings"  # how its name ends, in every encoder


class Perturbation(NamedTuple):
    """What is added to a variable.

    Attributes:
        name: of the variable.
        change: float32, of its shape; no gradient flows into it.
    """

    name: str
    change: tf.Tensor


def find_perturbation(
    gradients: Sequence[tf.Tensor], variables: Sequence[tf.Variable], epsilon: float
) -> Perturbation:
    """Return the change of the table of words, of size epsilon; in replica context.

    Args:
        gradients: of this replica's part of the loss; they are summed over replicas.
        variables: that they are of.
        epsilon: the norm of the change.

    Raises:
        UserError: the table is not among the variables: it is frozen.
    """
    for gradient, variable in zip(gradients, variables):
        name = variable_name(variable)
        if name.endswith(WORD_TABLE):
            whole = sum_over_replicas([gradient])[0]
            change = tf.math.divide_no_nan(epsilon * whole, tf.norm(whole))
            return Perturbation(name, tf.stop_gradient(change))
    raise UserError(
        "fgm_epsilon changes the embeddings of words along their gradient, but they "
        "are frozen"
    )


@contextlib.contextmanager
def perturbed(perturbation: Perturbation) -> Iterator[None]:
    """Let what is built in the context read the changed table; variables are reused."""

    def read(getter, name, *args, **kwargs):
        variable = getter(name, *args, **kwargs)
        return variable + perturbation.change if name == perturbation.name else variable

    scope = v1.get_variable_scope()
    with v1.variable_scope(scope, reuse=True, custom_getter=read):
        yield
