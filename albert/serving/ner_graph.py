"""Named entities in the graph: the signatures of an exported model."""

from __future__ import annotations

from typing import Mapping, Optional

import tensorflow as tf

from albert.base.errors import UserError
from albert.modeling import crf
from albert.modeling.encoder import make_encoder_builder
from albert.serving.graph_signature import Signature
from albert.serving.graph_text import ColumnReader, Columns
from albert.serving.graph_windows import Windows, plan_windows
from albert.serving.ner_graph_entities import Decoded, Entities, find_entities
from albert.tasks.ner.tag_schemes import split_tag
from albert.tasks.ner.task import NerTask
from albert.text.vocabulary import CLS, SEP
from albert.training.task import PREDICT

v1 = tf.compat.v1

# What the graph makes of token ids itself; a task that asks for more is refused.
_FEATURES = {"input_ids", "input_mask", "length", "offset", "sentence"}


class NerGraph:
    """A model in the current graph; its variables are made once."""

    def __init__(self, task: NerTask):
        """Keep the model.

        Raises:
            UserError: it reads more than token ids.
        """
        further = sorted(set(task.features(PREDICT)) - _FEATURES)
        if further:
            raise UserError(
                f"the model reads {', '.join(further)} beside its tokens, which an "
                "exported graph cannot make of texts"
            )
        self._task = task
        self._labels = task.labels.labels
        self._legal = task.labels.legal_transitions()
        if task.settings.head != "crf":
            self._legal[:] = True
        self._build_encoder = make_encoder_builder(task.encoder)

    def signatures(self) -> dict[str, Signature]:
        """Return the signatures of a SavedModel, by name."""
        by_ids = self.of_ids()
        names = tf.gather(tf.constant(self._labels), by_ids.outputs["label_ids"])
        by_ids = Signature(by_ids.inputs, {**by_ids.outputs, "labels": names})
        return {"serving_default": self.of_texts(), "ids": by_ids}

    def of_ids(
        self, batch: Optional[int] = None, length: Optional[int] = None
    ) -> Signature:
        """Return the signature over token ids, of numbers alone.

        Args:
            batch, length: the size of its inputs; None where it is open.

        Returns:
            Inputs `input_ids`, `input_mask`, `segment_ids`, int32 [B, T]. Outputs
            `label_ids` int32 [B, T] and `scores` float32 [B, T], the probability of
            that label there; both 0 at the edges and at padding.
        """
        names = ("input_ids", "input_mask", "segment_ids")
        shape = [batch, length]
        inputs = {name: v1.placeholder(tf.int32, shape, name) for name in names}
        ids, mask, segments = inputs.values()
        scored = tf.reduce_sum(mask, axis=1) - 2  # all but [CLS] and [SEP]
        lengths = tf.maximum(scored, 1)
        features = {
            "input_ids": ids,
            "input_mask": mask,
            "length": lengths,
            "offset": tf.ones_like(lengths),
            "sentence": tf.zeros_like(lengths),
        }
        emissions, transitions = self._run(features, segments)
        emissions.set_shape([batch, None, len(self._labels)])
        # Changes no probability, and keeps the sums small, as float32 wants them.
        emissions -= tf.reduce_logsumexp(emissions, axis=-1, keepdims=True)
        decoded = self._decode(emissions, lengths, transitions)
        shares = crf.marginals(decoded.sums, lengths)
        scores = tf.gather(shares, decoded.path, batch_dims=2)
        width = tf.shape(decoded.path)[1]
        inside = tf.sequence_mask(scored, width)
        after = tf.shape(ids)[1] - 1 - width

        def place(values: tf.Tensor) -> tf.Tensor:
            """Put what is said of columns where their tokens stand."""
            kept = tf.where(inside, values, tf.zeros_like(values))
            placed = tf.pad(kept, [[0, 0], [1, after]])
            placed.set_shape(ids.shape)
            return placed

        outputs = {"label_ids": place(decoded.path), "scores": place(scores)}
        return Signature(inputs, outputs)

    def of_texts(self) -> Signature:
        """Return the signature over texts of any length.

        Returns:
            Input `texts`, string [B], UTF-8. Outputs, padded with "" and 0, of B texts
            with at most E entities and C columns each: `num_entities` int32 [B];
            `entity_types`, `entity_surfaces` string [B, E], `entity_starts`,
            `entity_ends` int32 [B, E] in characters of the text, `entity_scores`
            float32 [B, E]; `num_columns` int32 [B]; `labels` string [B, C],
            `label_ids`, `starts`, `ends` int32 [B, C].
        """
        texts = v1.placeholder(tf.string, [None], "texts")
        reader = ColumnReader(self._task.tokenizer, self._task.labels.latin_columns)
        # Where there is no column at all, one is added: no tensor is empty.
        empty = tf.equal(tf.size(reader.read(texts).ids), 0)
        some = tf.concat([texts, tf.fill([tf.cast(empty, tf.int32)], "。")], axis=0)
        columns = reader.read(some)
        lengths = tf.math.segment_sum(tf.ones_like(columns.ids), columns.sentence)
        emissions, transitions = self._run_windows(columns, lengths)
        decoded = self._decode(
            tf.cast(emissions, tf.float64), lengths, tf.cast(transitions, tf.float64)
        )
        inside = tf.sequence_mask(lengths, tf.shape(decoded.path)[1])
        path = tf.boolean_mask(decoded.path, inside)
        entities = find_entities(self._task.labels, decoded, path, columns.sentence)
        outputs = self._describe(some, columns, path, entities)
        given = tf.size(texts)
        outputs = {name: values[:given] for name, values in outputs.items()}
        return Signature({"texts": texts}, outputs)

    def _describe(
        self, texts: tf.Tensor, columns: Columns, path: tf.Tensor, entities: Entities
    ) -> dict[str, tf.Tensor]:
        """Return the outputs of `of_texts`.

        Args:
            path: int32, [N]; the label of each column.
        """
        size = tf.size(texts)

        def lay_out(values: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            ragged = tf.RaggedTensor.from_value_rowids(values, rows, nrows=size)
            return ragged.to_tensor()

        types = tf.constant([split_tag(label)[1] for label in self._labels])
        text = tf.gather(columns.text, entities.first)
        starts = tf.gather(columns.starts, entities.first)
        ends = tf.gather(columns.ends, entities.last)
        surfaces = tf.strings.substr(
            tf.gather(texts, text), starts, ends - starts, unit="UTF8_CHAR"
        )
        of_entities = {
            "entity_types": tf.gather(types, tf.gather(path, entities.first)),
            "entity_surfaces": surfaces,
            "entity_starts": starts,
            "entity_ends": ends,
            "entity_scores": entities.scores,
        }
        of_columns = {
            "label_ids": path,
            "labels": tf.gather(tf.constant(self._labels), path),
            "starts": columns.starts,
            "ends": columns.ends,
        }
        return {
            "num_entities": tf.math.bincount(text, minlength=size),
            "num_columns": tf.math.bincount(columns.text, minlength=size),
            **{name: lay_out(values, text) for name, values in of_entities.items()},
            **{n: lay_out(values, columns.text) for n, values in of_columns.items()},
        }

    def _run(
        self, features: Mapping[str, tf.Tensor], segments: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return emissions [B, C, L] and transitions [L, L], float32."""

        def build_encoder(ids: tf.Tensor, mask: tf.Tensor, _: tf.Tensor, **options):
            return self._build_encoder(ids, mask, segments, **options)

        with v1.variable_scope(v1.get_variable_scope(), reuse=v1.AUTO_REUSE):
            output = self._task.build(features, PREDICT, build_encoder)
        emissions = output.predictions["emissions"]
        if "transitions" in output.predictions:
            return emissions, output.predictions["transitions"][0]
        size = len(self._labels)
        return emissions, tf.zeros([size, size])

    def _run_windows(
        self, columns: Columns, lengths: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what `_run` does, of sentences of any length; emissions [S, T, L]."""
        capacity = self._task.settings.max_seq_length - 2
        windows = plan_windows(lengths, capacity)
        features = self._make_features(columns, lengths, windows)
        segments = tf.zeros_like(features["input_ids"])
        emissions, transitions = self._run(features, segments)
        scored = tf.sequence_mask(features["length"], tf.shape(emissions)[1])
        flat = tf.boolean_mask(emissions, scored)  # column after column
        flat.set_shape([None, len(self._labels)])
        by_sentence = tf.RaggedTensor.from_row_lengths(flat, lengths)
        return by_sentence.to_tensor(), transitions

    def _make_features(
        self, columns: Columns, lengths: tf.Tensor, windows: Windows
    ) -> dict[str, tf.Tensor]:
        """Return the features of windows; see `NerTask.features`."""
        ids = self._task.tokenizer.vocabulary.ids
        offsets = tf.gather(tf.cumsum(lengths, exclusive=True), windows.sentence)
        seen = tf.ragged.range(offsets + windows.start, offsets + windows.end)
        rows = tf.fill([tf.size(windows.start), 1], 1)
        tokens = tf.concat(
            [rows * ids[CLS], tf.gather(columns.ids, seen), rows * ids[SEP]], axis=1
        )
        input_ids = tokens.to_tensor()
        mask = tf.sequence_mask(tokens.row_lengths(), tf.shape(input_ids)[1], tf.int32)
        return {
            "input_ids": input_ids,
            "input_mask": mask,
            "length": windows.last - windows.first,
            "offset": 1 + windows.first - windows.start,
            "sentence": windows.sentence,
        }

    def _decode(
        self, emissions: tf.Tensor, lengths: tf.Tensor, transitions: tf.Tensor
    ) -> Decoded:
        path = crf.viterbi_batch(emissions, lengths, transitions, self._legal)
        emissions, transitions = crf.leave_legal_paths(
            emissions, lengths, transitions, self._legal
        )
        sums = crf.path_sums(emissions, lengths, transitions)
        return Decoded(path, lengths, emissions, transitions, sums)
