"""Our variables and Hugging Face's tensors: tables of names and transpositions."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, EncoderConfig
from albert.modeling.published_config import GoogleAlbertConfig

# The table that albert_zh has in two factors, and BERT as their product.
WORDS = "bert/embeddings/word_embeddings"
PROJECTION = "bert/embeddings/word_embeddings_2"

# Tensors that repeat others, or hold no weight.
REDUNDANT = ("position_ids", "token_type_ids", "decoder.bias")


class Row(NamedTuple):
    """A variable and the tensor that holds its value.

    Attributes:
        ours, theirs: names.
        transposed: whether the matrix lies the other way round: a kernel is [inputs,
            outputs] here and [outputs, inputs] there.
    """

    ours: str
    theirs: str
    transposed: bool = False


def _dense(ours: str, theirs: str) -> Iterator[Row]:
    yield Row(f"{ours}/kernel", f"{theirs}.weight", transposed=True)
    yield Row(f"{ours}/bias", f"{theirs}.bias")


def _norm(ours: str, theirs: str) -> Iterator[Row]:
    yield Row(f"{ours}/gamma", f"{theirs}.weight")
    yield Row(f"{ours}/beta", f"{theirs}.bias")


def _embeddings(model: str) -> Iterator[Row]:
    for name in ("word", "position", "token_type"):
        table = f"{name}_embeddings"
        yield Row(f"bert/embeddings/{table}", f"{model}.embeddings.{table}.weight")
    yield from _norm("bert/embeddings/LayerNorm", f"{model}.embeddings.LayerNorm")


def _bert_layer(index: int, attention: str, feed_forward: str) -> Iterator[Row]:
    """Yield a layer's rows; the scopes of its two parts may be those of others too."""
    theirs = f"bert.encoder.layer.{index}"
    for name in ("query", "key", "value"):
        scope = f"bert/encoder/{attention}/attention/self/{name}"
        yield from _dense(scope, f"{theirs}.attention.self.{name}")
    scope = f"bert/encoder/{attention}/attention/output"
    yield from _dense(f"{scope}/dense", f"{theirs}.attention.output.dense")
    yield from _norm(f"{scope}/LayerNorm", f"{theirs}.attention.output.LayerNorm")
    scope = f"bert/encoder/{feed_forward}"
    yield from _dense(f"{scope}/intermediate/dense", f"{theirs}.intermediate.dense")
    yield from _dense(f"{scope}/output/dense", f"{theirs}.output.dense")
    yield from _norm(f"{scope}/output/LayerNorm", f"{theirs}.output.LayerNorm")


def _bert(config: EncoderConfig) -> Iterator[Row]:
    """Yield the rows of BERT, and of albert_zh as an unrolled BERT."""
    factorised = isinstance(config, AlbertConfig)
    for row in _embeddings("bert"):
        if not (factorised and row.ours == WORDS):
            yield row
    for index in range(config.num_hidden_layers):
        own = f"layer_{index}"
        sharing = config.layer_sharing
        attention = own if sharing == "none" else "layer_shared"
        feed_forward = "layer_shared" if sharing == "all" else own
        yield from _bert_layer(index, attention, feed_forward)
    yield from _dense("bert/pooler/dense", "bert.pooler.dense")


def _google_albert(config: GoogleAlbertConfig) -> Iterator[Row]:
    yield from _embeddings("albert")
    scope = "bert/encoder/embedding_hidden_mapping_in"
    yield from _dense(scope, "albert.encoder.embedding_hidden_mapping_in")
    for group in range(config.num_hidden_groups):
        scope = f"bert/encoder/transformer/group_{group}/inner_group_0"
        theirs = f"albert.encoder.albert_layer_groups.{group}.albert_layers.0"
        for name in ("query", "key", "value"):
            yield from _dense(
                f"{scope}/attention_1/self/{name}", f"{theirs}.attention.{name}"
            )
        output = f"{scope}/attention_1/output/dense"
        yield from _dense(output, f"{theirs}.attention.dense")
        yield from _norm(f"{scope}/LayerNorm", f"{theirs}.attention.LayerNorm")
        wide = f"{scope}/ffn_1/intermediate"
        yield from _dense(f"{wide}/dense", f"{theirs}.ffn")
        yield from _dense(f"{wide}/output/dense", f"{theirs}.ffn_output")
        yield from _norm(f"{scope}/LayerNorm_1", f"{theirs}.full_layer_layer_norm")
    yield from _dense("bert/pooler/dense", "albert.pooler")


def _pretraining_heads(model: str) -> Iterator[Row]:
    bert = model == "bert"
    transform = "cls/predictions/transform"
    theirs = "cls.predictions.transform" if bert else "predictions"
    yield from _dense(f"{transform}/dense", f"{theirs}.dense")
    yield from _norm(f"{transform}/LayerNorm", f"{theirs}.LayerNorm")
    bias = "cls.predictions.bias" if bert else "predictions.bias"
    yield Row("cls/predictions/output_bias", bias)
    order = "cls.seq_relationship" if bert else "sop_classifier.classifier"
    yield Row("cls/seq_relationship/output_weights", f"{order}.weight")
    yield Row("cls/seq_relationship/output_bias", f"{order}.bias")


def model_type(config: EncoderConfig) -> str:
    """Return "bert" or "albert", the class of models that holds such a model."""
    return "albert" if isinstance(config, GoogleAlbertConfig) else "bert"


def decoder_name(config: EncoderConfig) -> str:
    """Return the tensor of the masked LM's decoder, where it is not left out."""
    bert = model_type(config) == "bert"
    return "cls.predictions.decoder.weight" if bert else "predictions.decoder.weight"


def words_name(config: EncoderConfig) -> str:
    """Return the tensor of the word embeddings."""
    return f"{model_type(config)}.embeddings.word_embeddings.weight"


def list_rows(config: EncoderConfig) -> list[Row]:
    """Return the rows of a model: encoder, heads of pretraining and of token labels.

    A variable that several layers share stands in a row for each. The word embeddings
    of albert_zh are left out, see `WORDS`.

    Raises:
        UserError: their classes have no such model.
    """
    if isinstance(config, GoogleAlbertConfig):
        encoder = _google_albert(config)
    elif getattr(config, "ln_type", None) == "postln":
        encoder = _bert(config)
    else:
        raise UserError(f"a model of {config.architecture} has no tensors elsewhere")
    labels = (
        Row("output_weights", "classifier.weight"),
        Row("output_bias", "classifier.bias"),
    )
    return [*encoder, *_pretraining_heads(model_type(config)), *labels]
