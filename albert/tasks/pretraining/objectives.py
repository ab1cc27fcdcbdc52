"""Which objectives a pretraining run has, and with which weights.

    masked_lm:1,sentence_order:0.5..0

gives the masked language model the weight 1 all along, and the sentence order a weight
that falls linearly from 0.5 to 0 over the run.
"""

from __future__ import annotations

import types
from typing import Mapping, Sequence

from albert.base.errors import UserError
from albert.records.features import read_metadata
from albert.tasks.linear_schedule import Schedule, parse_schedule

MASKED_LM, SENTENCE_ORDER, NEXT_SENTENCE = OBJECTIVES = (
    "masked_lm",
    "sentence_order",
    "next_sentence",
)
# Both answer a question about a pair of segments, from the same feature of a record.
PAIR_OBJECTIVES = (SENTENCE_ORDER, NEXT_SENTENCE)
DEFAULT_OBJECTIVES = "masked_lm:1,sentence_order:1"


def parse_objectives(text: str) -> Mapping[str, Schedule]:
    """Return objective -> weight; those with weight 0 all along are left out.

    Raises:
        UserError: an objective is unknown, is named twice or has no weight; none is
            left; or both objectives on pairs are.
    """
    weights: dict[str, Schedule] = {}
    for part in text.split(","):
        name, found, weight = part.strip().partition(":")
        if name not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise UserError(f"objectives: {name!r} is none of {known}")
        if name in weights:
            raise UserError(f"objectives: {name} is there twice")
        if not found:
            raise UserError(f"objectives: {name} has no weight, as in {name}:1")
        weights[name] = parse_schedule(weight, f"objectives: the weight of {name}")
    kept = {name: weight for name, weight in weights.items() if any(weight)}
    if not any(weight.end for weight in kept.values()):
        raise UserError(f"objectives: every weight is 0 or becomes 0 in {text!r}")
    if set(PAIR_OBJECTIVES) <= set(kept):
        raise UserError(
            "objectives: records hold either sentence_order or next_sentence; give one"
        )
    return types.MappingProxyType(kept)


def check_pairs(objectives: Mapping[str, Schedule], files: Sequence[str]) -> None:
    """Raise UserError where records are known to hold another objective on pairs.

    Those of create_pretraining_data.py, known by their metadata, hold sentence order.
    Others do not say what their labels of pairs mean.
    """
    if NEXT_SENTENCE not in objectives:
        return
    for file in files:
        if read_metadata(file) is not None:
            raise UserError(
                f"objectives: {file} holds no next_sentence labels but sentence_order, "
                "as all records of create_pretraining_data.py"
            )
