"""The mean of the last checkpoints of a training.

Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization"
(2018); of a run's last checkpoints, Vaswani et al. (2017), section 6.1.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
import tensorflow as tf

from albert.base.errors import UserError
from albert.checkpoints import restoring, storage


def last_checkpoints(model_dir: str, count: int, flag: str) -> list[str]:
    """Return the prefixes of the last `count` checkpoints of a folder, oldest first.

    Raises:
        UserError: the folder holds fewer; `flag` is what asked for so many. Or its name
            is a pattern to TensorFlow.
    """
    storage.check_name(model_dir, "model_dir")
    state = tf.train.get_checkpoint_state(model_dir)
    known = [] if state is None else list(state.all_model_checkpoint_paths)
    there = [prefix for prefix in known if tf.io.gfile.exists(f"{prefix}.index")]
    if len(there) < count:
        raise UserError(
            f"{flag} is {count}, but {model_dir} holds {len(there)} checkpoint(s); "
            "training keeps only the last ones"
        )
    return there[-count:]


def read_mean(prefixes: Sequence[str], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return name -> mean over some checkpoints, in the type of the first.

    Raises:
        UserError: they do not hold the same variables.
    """
    first, *others = prefixes
    values = restoring.read_model(first, names)
    sums = {name: value.astype(np.float64) for name, value in values.items()}
    shapes = {name: list(value.shape) for name, value in values.items()}
    for prefix in others:
        found = storage.read_shapes(prefix)
        for name, shape in shapes.items():
            if found.get(name) != shape:
                raise UserError(
                    f"{prefix} is not of the same model as {first}: its {name} has "
                    f"shape {found.get(name)}, not {shape}"
                )
        for name, value in restoring.read_model(prefix, names).items():
            sums[name] += value
    return {
        name: (total / len(prefixes)).astype(values[name].dtype)
        for name, total in sums.items()
    }
