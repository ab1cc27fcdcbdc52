"""Fresh masks through the script, each run in a process of its own."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from albert.checkpoints import storage
from tests import forked
from tests import pretraining_kit as kit

pytestmark = pytest.mark.slow


def run(folder, output, steps, **changes):
    """Train on the toy records with fresh masks; return the process."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [f"t{i}" for i in range(5, kit.VOCABULARY_SIZE)]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    flags = kit.make_flags(
        folder,
        **{
            "dynamic_masking": True,
            "vocab_file": folder / "vocab.txt",
            "output_dir": folder / output,
            "num_train_steps": steps,
            "num_warmup_steps": 0,
            "optimizer": "adamw",
            "save_checkpoints_steps": 3,
            **changes,
        },
    )
    command = [sys.executable, "run_pretraining.py", *flags]
    return forked.run(command, cwd=kit.REPO, capture_output=True, text=True)


def read_model(folder, step):
    prefix = str(folder / f"model.ckpt-{step}")
    names = sorted(storage.read_shapes(prefix))
    return storage.read_variables(prefix, names)


def test_resumed_run_trains_on_the_masks_of_an_undisturbed_one(tmp_path):
    done = run(tmp_path, "whole", 6)
    assert done.returncode == 0, done.stderr
    # As if it had been killed after step 3.
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    newest = tmp_path / "parts/checkpoint"
    newest.write_text('model_checkpoint_path: "model.ckpt-3"\n')
    for path in (tmp_path / "parts").glob("model.ckpt-6*"):
        path.unlink()
    done = run(tmp_path, "parts", 6)
    assert done.returncode == 0, done.stderr
    assert "Training resumes from step 3" in done.stderr
    whole, parts = (read_model(tmp_path / name, 6) for name in ("whole", "parts"))
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-4, atol=1e-6)
    other = run(tmp_path, "kept", 6, dynamic_masking=False)
    assert other.returncode == 0, other.stderr
    words = "bert/embeddings/word_embeddings"
    assert (read_model(tmp_path / "kept", 6)[words] != whole[words]).any()
    evaluation = {"do_train": False, "do_eval": True, "max_eval_steps": 1}
    for name, warned in (("whole", 1), ("kept", 0)):
        done = run(tmp_path, name, 6, dynamic_masking=False, **evaluation)
        assert done.returncode == 0, done.stderr
        found = "was trained with --dynamic_masking=True and is scored with False"
        assert done.stderr.count(found) == warned


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_file": None}, "dynamic_masking needs the records' vocabulary"),
        ({"whole_word_share": "0..1"}, "holds no word boundaries"),
        ({"masked_lm_prob": 0.9}, "the records have room for 2 masked ones"),
    ],
)
def test_what_the_records_cannot_give_is_one_line(tmp_path, changes, message):
    done = run(tmp_path, "model", 3, **changes)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "model").exists()
