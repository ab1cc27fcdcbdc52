"""Our variables and Hugging Face's tensors: tables of names and transpositions."""

from __future__ import annotations

from typing import Collection, Iterator, NamedTuple

from albert.base.errors import UserError
from albert.modeling.config import AlbertConfig, EncoderConfig
from albert.modeling.published_config import ElectraConfig, GoogleAlbertConfig

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


def _embeddings(model: str, ours: str = "bert") -> Iterator[Row]:
    for name in ("word", "position", "token_type"):
        table = f"{name}_embeddings"
        yield Row(f"{ours}/embeddings/{table}", f"{model}.embeddings.{table}.weight")
    yield from _norm(f"{ours}/embeddings/LayerNorm", f"{model}.embeddings.LayerNorm")


def _layer(theirs: str, attention: str, feed_forward: str) -> Iterator[Row]:
    """Yield the rows of a layer of BERT's kind.

    Args:
        theirs: the layer.
        attention, feed_forward: scopes of our two parts of it, which may be those of
            other layers, too.
    """
    for name in ("query", "key", "value"):
        scope = f"{attention}/attention/self/{name}"
        yield from _dense(scope, f"{theirs}.attention.self.{name}")
    scope = f"{attention}/attention/output"
    yield from _dense(f"{scope}/dense", f"{theirs}.attention.output.dense")
    yield from _norm(f"{scope}/LayerNorm", f"{theirs}.attention.output.LayerNorm")
    scope = feed_forward
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
        scopes = (f"bert/encoder/{attention}", f"bert/encoder/{feed_forward}")
        yield from _layer(f"bert.encoder.layer.{index}", *scopes)
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


def _holds(names: Collection[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _electra(config: ElectraConfig, names: Collection[str]) -> Iterator[Row]:
    """Yield the rows of one network: a generator alone lies under `generator`.

    Its embeddings are the discriminator's, unless it has its own.
    """
    scope = "electra"
    if _holds(names, "generator/encoder/") and not _holds(names, "electra/encoder/"):
        scope = "generator"
    own = scope == "electra" or _holds(names, "generator/embeddings/")
    yield from _embeddings("electra", scope if own else "electra")
    if config.embedding_size != config.hidden_size:
        yield from _dense(f"{scope}/embeddings_project", "electra.embeddings_project")
    for index in range(config.num_hidden_layers):
        layer = f"{scope}/encoder/layer_{index}"
        yield from _layer(f"electra.encoder.layer.{index}", layer, layer)
    yield from _electra_heads(names, alone=scope == "generator")


def _electra_heads(names: Collection[str], alone: bool) -> Iterator[Row]:
    """Yield the rows of the heads that a class has: that of one network or the other.

    Args:
        names: of the variables there are; none for those of a folder of theirs.
        alone: whether the network is the generator of two.
    """
    if not alone:
        ours = theirs = "discriminator_predictions"
        yield from _dense(f"{ours}/dense", f"{theirs}.dense")
        yield from _dense(f"{ours}/dense_1", f"{theirs}.dense_prediction")
        if _holds(names, ours) or _holds(names, "generator/"):
            return  # the other head is of another network, or there is no class of both
    ours = theirs = "generator_predictions"
    yield from _dense(f"{ours}/dense", f"{theirs}.dense")
    yield from _norm(f"{ours}/LayerNorm", f"{theirs}.LayerNorm")
    yield Row(f"{ours}/output_bias", "generator_lm_head.bias")


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
    """Return "bert", "albert" or "electra", whose classes hold such a model."""
    if isinstance(config, (GoogleAlbertConfig, ElectraConfig)):
        return config.architecture
    return "bert"


_DECODERS = {
    "bert": "cls.predictions.decoder.weight",
    "albert": "predictions.decoder.weight",
    "electra": "generator_lm_head.weight",
}
# Where our variables of a masked LM's head begin.
MASKED_LM_HEADS = ("cls/predictions", "generator_predictions")


def decoder_name(config: EncoderConfig) -> str:
    """Return the tensor of the masked LM's decoder, where it is not left out."""
    return _DECODERS[model_type(config)]


def words_name(config: EncoderConfig) -> str:
    """Return the tensor of the word embeddings."""
    return f"{model_type(config)}.embeddings.word_embeddings.weight"


def list_rows(config: EncoderConfig, names: Collection[str] = ()) -> list[Row]:
    """Return the rows of a model: encoder, heads of pretraining and of token labels.

    A variable that several layers share stands in a row for each. The word embeddings
    of albert_zh are left out, see `WORDS`.

    Args:
        names: of our variables, where there are some: a checkpoint of ELECTRA may hold
            one of its networks or both, of which this is the discriminator then.

    Raises:
        UserError: their classes have no such model.
    """
    if isinstance(config, ElectraConfig):
        model = _electra(config, names)
    elif isinstance(config, GoogleAlbertConfig):
        model = (*_google_albert(config), *_pretraining_heads("albert"))
    elif getattr(config, "ln_type", None) == "postln":
        model = (*_bert(config), *_pretraining_heads("bert"))
    else:
        raise UserError(f"a model of {config.architecture} has no tensors elsewhere")
    labels = (
        Row("output_weights", "classifier.weight"),
        Row("output_bias", "classifier.bias"),
    )
    return [*model, *labels]
