"""Starting a model from word vectors."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from albert.base.errors import UserError
from albert.checkpoints import storage
from albert.tasks.pretraining.vector_start import fit_to_model
from albert.text.vectors import TokenVectors
from tests import forked
from tests import pretraining_kit as kit

WORDS, PROJECTION = (
    f"bert/embeddings/word_embeddings{ending}" for ending in ("", "_2")
)
SHAPES = {WORDS: [50, 4], PROJECTION: [4, 10], "bert/pooler/dense/bias": [10]}


def make_vectors(width, known=40, rank=None):
    rng = np.random.default_rng(3)
    values = rng.normal(2.0, 3.0, (50, width))
    if rank is not None:
        values = rng.normal(size=(50, rank)) @ rng.normal(size=(rank, width))
    mask = np.arange(50) < known
    return TokenVectors((values * mask[:, None]).astype(np.float32), mask)


def fit(vectors, shapes=SHAPES):
    return fit_to_model(vectors, shapes, 0.02, 7, "vectors.txt")


def test_vectors_of_the_embeddings_width_become_the_table():
    vectors = make_vectors(4)
    result = fit(vectors)
    assert set(result) == {WORDS}
    table = result[WORDS]
    assert table.dtype == np.float32
    assert table[:40].std() == pytest.approx(0.02, rel=1e-3)
    ratio = table[:40] / vectors.values[:40]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)  # but for their scale


def test_tokens_without_a_vector_get_random_values_of_the_same_scale():
    table = fit(make_vectors(4, known=10))[WORDS]
    assert table[10:].std() == pytest.approx(0.02, rel=0.2)
    np.testing.assert_array_equal(table, fit(make_vectors(4, known=10))[WORDS])


def test_wider_vectors_go_through_the_projection():
    # Vectors of rank 4 lose nothing in a table of width 4.
    vectors = make_vectors(10, rank=4)
    result = fit(vectors)
    assert result[WORDS].shape == (50, 4)
    assert result[PROJECTION].shape == (4, 10)
    product = (result[WORDS] @ result[PROJECTION])[:40]
    wanted = vectors.values[:40] * (
        np.abs(product).max() / np.abs(vectors.values).max()
    )
    np.testing.assert_allclose(product, wanted, atol=1e-4 * np.abs(product).max())


@pytest.mark.parametrize(
    ("vectors", "shapes", "message"),
    [
        (make_vectors(5), SHAPES, "width 5, but the model's embeddings have 4 or 10"),
        (make_vectors(5), {WORDS: [50, 4]}, "width 5, but .* have 4$"),
        (make_vectors(10, known=3), SHAPES, "3 vectors are too few"),
    ],
)
def test_vectors_that_do_not_fit_are_one_line(vectors, shapes, message):
    with pytest.raises(UserError, match=f"vectors.txt: .*{message}"):
        fit(vectors, shapes)


def run(folder, **changes):
    """Train for one step on toy records, from vectors; return the process."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"t{i}" for i in range(5, kit.VOCABULARY_SIZE)]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    width = kit.CONFIG["embedding_size"]
    lines = [f"{len(tokens)} {width}\n"]
    for number, token in enumerate(tokens):
        lines.append(" ".join([token, *[str(number)] * (width - 1), "1"]) + "\n")
    (folder / "vectors.txt").write_text("".join(lines))
    flags = kit.make_flags(
        folder,
        **{
            "init_vectors": folder / "vectors.txt",
            "vocab_file": folder / "vocab.txt",
            "num_train_steps": 1,
            "num_warmup_steps": 0,
            "learning_rate": 1e-6,
            **changes,
        },
    )
    command = [sys.executable, "run_pretraining.py", *flags]
    return forked.run(command, cwd=kit.REPO, capture_output=True, text=True)


@pytest.mark.slow
def test_training_starts_from_the_vectors_of_a_file(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "vectors for 40 of 40 tokens" in done.stderr
    name = "bert/embeddings/word_embeddings"
    table = storage.read_variables(str(tmp_path / "model/model.ckpt-1"), [name])
    steps = np.diff(table[name][:, 0])  # each row is its number, but for the scale
    assert steps[0] > 0
    np.testing.assert_allclose(steps, steps[0], rtol=0.05)
    again = run(tmp_path, num_train_steps=2)
    assert again.returncode == 0, again.stderr
    assert "Training resumes from step 1" in again.stderr


@pytest.mark.slow
def test_two_starts_are_one_too_many(tmp_path):
    done = run(tmp_path)
    other = run(tmp_path, init_checkpoint=tmp_path / "model", output_dir=tmp_path / "x")
    assert (done.returncode, other.returncode) == (0, 1)
    assert "error: give one of --init_vectors and --init_checkpoint" in other.stderr
