"""Entities of running text, with their probabilities and places."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from albert.modeling import crf_decoding
from albert.modeling.crf_decoding import Chain, Sums
from albert.serving.dictionary import NO_TERMS, Terms
from albert.serving.model_session import ModelSession
from albert.tasks.example_source import pad
from albert.tasks.ner.conll import Sentence
from albert.tasks.ner.entities import Span, read_strict
from albert.tasks.ner.examples import Examples, make_examples
from albert.tasks.ner.tag_schemes import split_tag, write_span
from albert.tasks.ner.task import NerTask
from albert.tasks.ner.text import TextSentence, split_text

_SMALLEST = -1e9  # the score of a label that a forced term leaves no room for


class _Labelled(NamedTuple):
    """A batch of sentences with what the model says of them."""

    chain: Chain
    sums: Sums
    paths: np.ndarray


class NerPredictor:
    """Finds entities in texts of any length; threads may share it."""

    def __init__(
        self,
        task: NerTask,
        session: ModelSession,
        batch_size: int = 64,
        terms: Terms = NO_TERMS,
    ):
        """Keep the model.

        Args:
            batch_size: windows that the model computes at once.
            terms: what the user knows better, see `albert.serving.dictionary`.
        """
        self._task = task
        self._session = session
        self._batch_size = batch_size
        self._terms = terms
        self._label_set = task.labels
        self._legal = self._label_set.legal_transitions()
        self._ids = {label: i for i, label in enumerate(self._label_set.labels)}
        self._continues = {
            kind: self._labels_inside(kind) for kind in self._label_set.types
        }
        terms.check_types(self._label_set.types)

    def _labels_inside(self, kind: str) -> np.ndarray:
        """Return bool [L]: the labels that go on with an entity of a type."""
        inside = (self._label_set.scheme.middle, self._label_set.scheme.last)
        opens = (self._label_set.scheme.first, self._label_set.scheme.single)
        return np.array(
            [
                found == kind and prefix in inside and prefix not in opens
                for prefix, found in map(split_tag, self._label_set.labels)
            ]
        )

    def predict(
        self, texts: Sequence[str], min_score: float = 0.0
    ) -> list[dict[str, Any]]:
        """Return the entities of each text.

        Args:
            texts: of any length.
            min_score: entities below this probability are left out.

        Returns:
            For each text a dict of "text" and "entities"; an entity is a dict of
            "type", "start", "end" (in characters of the text, `text[start:end]` is its
            "surface") and "score", the probability that exactly this entity stands
            there. One that the user's terms brought has "source": "dictionary" and
            score 1.
        """
        sentences = [
            (number, sentence)
            for number, text in enumerate(texts)
            for sentence in split_text(text, self._label_set.latin_columns)
        ]
        found: list[list[dict[str, Any]]] = [[] for _ in texts]
        # Batches of like length, so that little is computed for padding.
        sizes = [len(sentence.columns) for _, sentence in sentences]
        order = sorted(range(len(sentences)), key=sizes.__getitem__)
        for first in range(0, len(order), self._batch_size):
            numbers = order[first : first + self._batch_size]
            batch = [sentences[i][1] for i in numbers]
            for i, entities in zip(numbers, self._find(batch)):
                text = sentences[i][0]
                found[text] += self._describe(texts[text], entities, min_score)
        return [
            {"text": text, "entities": sorted(entities, key=lambda e: e["start"])}
            for text, entities in zip(texts, found)
        ]

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return a tag for each column of sentences that are in columns already."""
        whole = [
            TextSentence(tuple(c), tuple(range(len(c))), tuple(range(1, len(c) + 1)))
            for c in sentences
        ]
        labels = self._label_set.labels
        tags: list[list[str]] = []
        for first in range(0, len(whole), self._batch_size):
            batch = whole[first : first + self._batch_size]
            paths = self._label(batch).paths
            for path, sentence in zip(paths, batch):
                tags.append([labels[i] for i in path[: len(sentence.columns)]])
        return tags

    def _describe(
        self, text: str, entities: Iterable[dict[str, Any]], min_score: float
    ) -> Iterator[dict[str, Any]]:
        for entity in entities:
            surface = text[entity["start"] : entity["end"]]
            if entity["score"] >= min_score and not self._terms.forbids(surface):
                yield {**entity, "surface": surface}

    def _find(self, batch: Sequence[TextSentence]) -> list[list[dict[str, Any]]]:
        """Return the entities of each sentence of a batch, without their surface."""
        labelled = self._label(batch)
        return [
            [
                self._score(labelled, row, span, sentence)
                for span in self._read(labelled.paths[row], len(sentence.columns))
            ]
            for row, sentence in enumerate(batch)
        ]

    def _read(self, path: np.ndarray, length: int) -> list[Span]:
        labels = self._label_set.labels
        tags = [labels[i] for i in path[:length]]
        return read_strict(tags, self._label_set.scheme)

    def _score(
        self, labelled: _Labelled, row: int, span: Span, sentence: TextSentence
    ) -> dict[str, Any]:
        entity = {
            "type": span.type,
            "start": sentence.starts[span.start],
            "end": sentence.ends[span.end - 1],
        }
        forced = self._forced(sentence)
        if span in forced:
            return {**entity, "score": 1.0, "source": "dictionary"}
        score = crf_decoding.span_probability(
            labelled.chain,
            labelled.sums,
            row,
            span.start,
            labelled.paths[row, span.start : span.end],
            self._continues[span.type],
        )
        return {**entity, "score": round(score, 6)}

    def _label(self, batch: Sequence[TextSentence]) -> _Labelled:
        """Run the model on sentences, through windows where they are long."""
        lengths = np.array([len(sentence.columns) for sentence in batch])
        emissions, transitions = self._emissions(batch, lengths)
        for row, sentence in enumerate(batch):
            for span in self._forced(sentence):
                self._force(emissions[row], span, lengths[row])
        if transitions is None:
            chain = crf_decoding.make_free_chain(emissions, lengths)
        else:
            chain = crf_decoding.make_chain(
                emissions, lengths, transitions, self._legal
            )
        paths = crf_decoding.best_paths(chain)
        return _Labelled(chain, crf_decoding.sum_paths(chain), paths)

    def _emissions(
        self, batch: Sequence[TextSentence], lengths: np.ndarray
    ) -> tuple[np.ndarray, Optional[np.ndarray]]:
        """Return emissions, float32 [B, T, L], and the transitions of a CRF."""
        task = self._task
        examples = make_examples(
            [Sentence(sentence.columns, None, 1) for sentence in batch],
            task.tokenizer,
            self._label_set,
            task.settings.max_seq_length,
        )
        emissions = np.zeros(
            (len(batch), lengths.max(), len(self._label_set.labels)), np.float32
        )
        done = np.zeros(len(batch), int)  # columns whose emissions are there
        transitions = None
        for first in range(0, len(examples.sentence), self._batch_size):
            part = range(first, min(first + self._batch_size, len(examples.sentence)))
            output = self._session.run(_features(examples, part))
            for index, number in enumerate(part):
                row, length = examples.sentence[number], output["length"][index]
                emissions[row, done[row] : done[row] + length] = output["emissions"][
                    index, :length
                ]
                done[row] += length
            if "transitions" in output:
                transitions = output["transitions"][0]
        return emissions, transitions

    def _forced(self, sentence: TextSentence) -> list[Span]:
        return self._terms.find(sentence.columns, sentence.starts, sentence.ends)

    def _force(self, emissions: np.ndarray, span: Span, length: int) -> None:
        """Leave an entity's labels alone possible at its columns, in place."""
        scheme = self._label_set.scheme
        tags = write_span(span.type, span.end - span.start, scheme)
        for column, tag in enumerate(tags, start=span.start):
            kept = emissions[column, self._ids[tag]]
            emissions[column] = _SMALLEST
            emissions[column, self._ids[tag]] = kept
        if span.end < length:
            emissions[span.end, self._continues[span.type]] = _SMALLEST


def _features(examples: Examples, part: Sequence[int]) -> Mapping[str, np.ndarray]:
    """Return the features of some windows; see `NerTask.features`."""
    ids = [examples.input_ids[i] for i in part]
    return {
        "input_ids": pad(ids),
        "input_mask": pad([[1] * len(row) for row in ids]),
        "length": np.array([len(examples.label_ids[i]) for i in part], np.int32),
        "offset": np.array([examples.offset[i] for i in part], np.int32),
        "sentence": np.array([examples.sentence[i] for i in part], np.int32),
    }
