"""NER models of ours and the token classifiers of other tools."""

from __future__ import annotations

import dataclasses
from typing import Any, Mapping, Sequence

from albert.base.errors import UserError
from albert.checkpoints.convert import Labels
from albert.tasks.ner.config import NerConfig
from albert.tasks.ner.tag_schemes import collect_labels, detect_scheme, split_tag
from albert.tasks.ner.task import NerTask

# What a token classifier is, an encoder's last layer and a dense one above, sets these
# to; with any other value the labels come of more.
_PLAIN = {
    "encoder_features": "last",
    "context": "none",
    "ngram_features": False,
    "lexicon_file": None,
    "bigram_vectors": None,
    "word_boundaries": "none",
}


def check_held_elsewhere(settings: Mapping[str, Any]) -> None:
    """Stop unless another tool's token classifier can be such a model.

    Args:
        settings: name -> value of `NerConfig`; those that a model of an earlier version
            lacks have their defaults.

    Raises:
        UserError: names what it has no place for.
    """
    more = [
        f"--{name}={settings[name]}"
        for name, plain in _PLAIN.items()
        if settings.get(name, plain) != plain
    ]
    if more:
        raise UserError(
            "a token classifier of Hugging Face's has no place for what this model was "
            f"trained with: {', '.join(more)}; without it the labels would be others"
        )


def arrange_labels(labels: Sequence[str], do_lower_case: bool, longest: int) -> Labels:
    """Return ours, in our order, for a model whose labels are tags.

    Args:
        labels: of the other model, by id.
        do_lower_case: whether its text is lower-cased.
        longest: its longest input, in tokens.

    Raises:
        UserError: they are no tags of a scheme, or one that the scheme has is missing.
    """
    for label in labels:
        if split_tag(label) is None:
            raise UserError(
                f"{label!r} is no tag: an NER model has O, and types after B-, I- and "
                "such"
            )
    label_set = collect_labels(labels, detect_scheme(labels))
    wanted = label_set.labels
    if set(wanted) != set(labels) or len(wanted) != len(labels):
        missing = [label for label in wanted if label not in labels]
        raise UserError(
            f"the labels are not those of the scheme {label_set.scheme.name} for "
            f"{', '.join(label_set.types)}: "
            + (f"{missing[0]} is missing" if missing else "one stands twice")
        )
    settings = NerConfig(
        head="softmax", do_lower_case=do_lower_case, max_seq_length=min(128, longest)
    )
    description = {
        "task": NerTask.name,
        **NerTask.labels_to_json(label_set),
        "config": dataclasses.asdict(settings),
    }
    return Labels([list(labels).index(label) for label in wanted], description)
