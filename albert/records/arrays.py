"""Reading a dataset outside of training, as arrays."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional

import tensorflow as tf

v1 = tf.compat.v1


def read_arrays(
    make_dataset: Callable[[], tf.data.Dataset], seed: Optional[int] = None
) -> Iterator[Any]:
    """Yield the elements of a dataset that is made in a graph of its own.

    Args:
        seed: of the graph, as training sets it; shuffles depend on it.
    """
    config = v1.ConfigProto(device_count={"GPU": 0})
    with tf.Graph().as_default(), v1.Session(config=config) as session:
        v1.set_random_seed(seed)
        following = v1.data.make_one_shot_iterator(make_dataset()).get_next()
        while True:
            try:
                yield session.run(following)
            except tf.errors.OutOfRangeError:
                return
