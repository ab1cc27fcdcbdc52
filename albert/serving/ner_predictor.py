"""Entities of running text, with their probabilities and places."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Sequence

import numpy as np

from albert.modeling import crf_decoding
from albert.modeling.crf_decoding import Chain
from albert.serving.dictionary import NO_TERMS, Terms
from albert.serving.inputs import Item
from albert.serving.model_session import ModelSession
from albert.serving.ner_emissions import NerEmissions
from albert.serving.outputs import Result
from albert.serving.prediction_config import INPUT_FORMATS, OUTPUT_FORMATS
from albert.serving.task_predictor import TaskPredictor
from albert.serving.texts import check_inputs
from albert.tasks.ner.entities import Span, SpanReader
from albert.tasks.ner.tag_schemes import write_span
from albert.tasks.ner.task import NerTask
from albert.tasks.ner.text import TextSentence, split_text

_SMALLEST = -1e9  # the score of a label that a forced term leaves no room for


class LabelledSentence(NamedTuple):
    """A sentence with what the model says of it.

    Attributes:
        sentence: its columns, and where each stands in the text.
        path: int, [columns]; the ids of their labels. Those of entities that were left
            out are 0 ("O").
        entities: see `NerPredictor.predict`.
    """

    sentence: TextSentence
    path: np.ndarray
    entities: list[dict[str, Any]]


class NerPredictor(TaskPredictor):
    """Finds entities in texts of any length; threads may share it."""

    input_formats = INPUT_FORMATS
    output_formats = OUTPUT_FORMATS
    finds_entities = True
    unit = "entities"

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
        self._emissions = NerEmissions(task, session, batch_size)
        self._batch_size = batch_size
        self._terms = terms
        self._label_set = task.labels
        self._labels = task.labels.labels
        self._legal = self._label_set.legal_transitions()
        self._ids = {label: i for i, label in enumerate(self._labels)}
        self._reader = SpanReader(self._labels, self._label_set.scheme)
        self._continues = self._label_set.continuations()
        terms.check_types(self._label_set.types)

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
        check_inputs(texts, self.second)
        return [
            {"text": text, "entities": [e for s in labelled for e in s.entities]}
            for text, labelled in zip(texts, self.label_texts(texts, min_score))
        ]

    def answer(self, items: Sequence[Item], min_score: float) -> list[Result]:
        """Return the entities of items, all of one input format."""
        if items and items[0].block is not None:
            found = [i.block.sentence for i in items if i.block.sentence is not None]
            columns = [sentence.columns for sentence in found]
            rest = iter(self.label_columns(columns, min_score))
            labelled = [[] if i.block.sentence is None else [next(rest)] for i in items]
        else:
            labelled = self.label_texts([item.text for item in items], min_score)
        return [
            Result(
                item,
                [part.sentence for part in parts],
                [self.tags_of(part) for part in parts],
                [entity for part in parts for entity in part.entities],
            )
            for item, parts in zip(items, labelled)
        ]

    def label_texts(
        self, texts: Sequence[str], min_score: float = 0.0
    ) -> list[list[LabelledSentence]]:
        """Return the sentences of each text, labelled; see `predict`."""
        latin = self._label_set.latin_columns
        parts = [split_text(text, latin, self._terms.holds) for text in texts]
        labelled = self._label(
            [sentence for part in parts for sentence in part],
            [text for text, part in zip(texts, parts) for _ in part],
            min_score,
        )
        rest = iter(labelled)
        return [[next(rest) for _ in part] for part in parts]

    def label_columns(
        self, sentences: Sequence[Sequence[str]], min_score: float = 0.0
    ) -> list[LabelledSentence]:
        """Return sentences that are in columns already, labelled.

        Places are those in the columns joined.
        """
        whole = []
        for columns in sentences:
            ends = np.cumsum([len(column) for column in columns]).tolist()
            whole.append(TextSentence(tuple(columns), (0, *ends[:-1]), tuple(ends)))
        texts = ["".join(columns) for columns in sentences]
        return self._label(whole, texts, min_score)

    def tags_of(self, labelled: LabelledSentence) -> list[str]:
        """Return the tags of a sentence's columns."""
        return [self._labels[i] for i in labelled.path]

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return a tag for each column of sentences that are in columns already."""
        labelled = iter(self.label_columns([s for s in sentences if len(s)]))
        return [self.tags_of(next(labelled)) if len(s) else [] for s in sentences]

    def _label(
        self,
        sentences: Sequence[TextSentence],
        texts: Sequence[str],
        min_score: float,
    ) -> list[LabelledSentence]:
        """Label sentences, each beside the text that it stands in."""
        found: dict[int, LabelledSentence] = {}
        for numbers in self._batches([len(s.columns) for s in sentences]):
            batch = [(sentences[i], texts[i]) for i in numbers]
            found.update(zip(numbers, self._label_batch(batch, min_score)))
        return [found[i] for i in range(len(sentences))]

    def _batches(self, sizes: Sequence[int]) -> Iterator[list[int]]:
        """Yield numbers of sentences of like length, so that little is padding.

        Long sentences, of several windows, are fewer in a batch.
        """
        most = self._batch_size * self._emissions.capacity
        batch: list[int] = []
        for number in sorted(range(len(sizes)), key=sizes.__getitem__):
            full = len(batch) == self._batch_size
            if full or (batch and sizes[number] * (len(batch) + 1) > most):
                yield batch
                batch = []
            batch.append(number)
        if batch:
            yield batch

    def _label_batch(
        self, batch: Sequence[tuple[TextSentence, str]], min_score: float
    ) -> Iterator[LabelledSentence]:
        sentences = [sentence for sentence, _ in batch]
        forced = [self._terms.find(*sentence) for sentence in sentences]
        chain = self._make_chain(sentences, forced)
        paths = crf_decoding.best_paths(chain)
        spans = self._reader.read(paths, chain.lengths)
        scores = iter(self._score(chain, paths, spans))
        for row, (sentence, text) in enumerate(batch):
            path, entities = paths[row, : len(sentence.columns)], []
            for span, score in zip(spans[row], scores):
                entity = _describe(sentence, text, span, score, span in forced[row])
                known = entity["score"] >= min_score
                if known and not self._terms.forbids(entity["surface"]):
                    entities.append(entity)
                else:
                    path[span.start : span.end] = 0
            yield LabelledSentence(sentence, path, entities)

    def _make_chain(
        self, sentences: Sequence[TextSentence], forced: Sequence[Sequence[Span]]
    ) -> Chain:
        """Run the model; leave room for nothing but the user's terms where they are."""
        lengths = np.array([len(sentence.columns) for sentence in sentences])
        scores, transitions = self._emissions.compute([s.columns for s in sentences])
        for row, spans in enumerate(forced):
            for span in spans:
                self._force(scores[row], span, lengths[row])
        if transitions is None:
            return crf_decoding.make_free_chain(scores, lengths)
        return crf_decoding.make_chain(scores, lengths, transitions, self._legal)

    def _force(self, emissions: np.ndarray, span: Span, length: int) -> None:
        """Leave an entity's labels alone possible at its columns, in place."""
        scheme = self._label_set.scheme
        tags = write_span(span.type, span.end - span.start, scheme)
        for column, tag in enumerate(tags, start=span.start):
            kept = emissions[column, self._ids[tag]]
            emissions[column] = _SMALLEST
            emissions[column, self._ids[tag]] = kept
        if span.end < length:
            emissions[span.end, self._continues[self._ids[tags[0]]]] = _SMALLEST

    def _score(
        self, chain: Chain, paths: np.ndarray, spans: Sequence[Sequence[Span]]
    ) -> list[float]:
        """Return the probability of each span, row after row."""
        places = [(row, s.start, s.end) for row, part in enumerate(spans) for s in part]
        if not places:
            return []
        sums, places = crf_decoding.sum_paths(chain), np.array(places)
        continues = self._continues[paths[places[:, 0], places[:, 1]]]
        return crf_decoding.span_probabilities(
            chain, sums, paths, places, continues
        ).tolist()


def _describe(
    sentence: TextSentence, text: str, span: Span, score: float, forced: bool
) -> dict[str, Any]:
    """Return an entity as `NerPredictor.predict` gives it."""
    start, end = sentence.starts[span.start], sentence.ends[span.end - 1]
    entity = {"type": span.type, "start": start, "end": end, "surface": text[start:end]}
    if forced:
        return {**entity, "score": 1.0, "source": "dictionary"}
    return {**entity, "score": round(score, 6)}
