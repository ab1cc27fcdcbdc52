"""How named entities are labelled."""

from __future__ import annotations

import dataclasses
from typing import Optional

from albert.base.errors import UserError
from albert.base.settings import INPUT_FILE, at_least, setting, setting_of
from albert.tasks.finetuning_config import ModelSettings
from albert.text.word_segmentation import SEGMENTERS

HEADS = ("crf", "softmax")
FEATURE_KINDS = ("last", "last_four_concat", "weighted")  # see `modeling.features`
SEGMENTER_CHOICES = ("none", *SEGMENTERS)
CONTEXT_KINDS = ("none", "bilstm", "transformer")  # see `albert.modeling.context`


@dataclasses.dataclass(frozen=True)
class NerConfig(ModelSettings):
    """The labelling model over an encoder; kept with the model."""

    head: str = setting(
        "crf",
        "What chooses the labels: crf, a conditional random field that gives legal "
        "sequences only, or softmax, an independent softmax for each token.",
        choices=HEADS,
    )
    encoder_features: str = setting(
        "last",
        "What the head reads: last (the encoder's output), last_four_concat (the last "
        "four layers side by side) or weighted (a learned mean of all layers).",
        choices=FEATURE_KINDS,
    )
    context: str = setting(
        "none",
        "A layer between encoder and head: none, bilstm (two LSTMs, one from each end) "
        "or transformer.",
        choices=CONTEXT_KINDS,
    )
    ngram_features: bool = setting(
        False,
        "Add to the scores of the encoder weights of the n-grams around each token, as "
        "a linear CRF has them.",
    )
    miss_cost: float = setting(
        0.0,
        "Train as though O scored this much more inside entities, so that fewer of "
        "them are missed; 0 is none.",
        check=at_least(0),
    )
    lexicon_file: Optional[str] = setting(
        None,
        "Terms, one a line: beside the encoder's vectors stand those of the terms that "
        "begin at a token, go on, end there and stand alone (SoftLexicon). The terms "
        "are kept with the model.",
        path=INPUT_FILE,
    )
    lexicon_vectors: Optional[str] = setting(
        None,
        "Vectors of the lexicon's terms to start from, in the text format of word2vec. "
        "Default: random ones of width 50.",
        path=INPUT_FILE,
    )
    bigram_vectors: Optional[str] = setting(
        None,
        "Vectors of bigrams, as tools/train_vectors.py makes them: those of the "
        "bigrams at each token stand beside the encoder's. Kept with the model.",
        path=INPUT_FILE,
    )
    word_boundaries: str = setting(
        "none",
        "A segmenter: each token's place in its word stands beside the encoder's "
        "vector.",
        choices=SEGMENTER_CHOICES,
    )
    max_seq_length: int = setting_of(
        ModelSettings,
        "max_seq_length",
        128,
        "Tokens that the encoder sees at once, [CLS] and [SEP] included; longer "
        "sentences are seen through several windows that overlap.",
    )

    def validate(self) -> None:
        """Check that vectors of terms have terms."""
        if self.lexicon_vectors and not self.lexicon_file:
            raise UserError("--lexicon_vectors needs --lexicon_file")
