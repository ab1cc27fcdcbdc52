"""Training every encoder with every head: replicas and resuming change nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tensorflow as tf

from albert.checkpoints import restoring
from albert.modeling.encoder import ARCHITECTURES
from tests.conformance.kit import small_config
from tests.conformance.run import STEPS, heads_of
from tests.golden import relative_error

pytestmark = pytest.mark.slow

# Without a gradient but rounding, which Adam scales up: a softmax over tokens does not
# change where all of them score more. Over windows that holds as far as tanh is linear.
ONLY_ROUNDING = (
    *("key/bias", "reading/start/bias", "reading/joint_end/bias"),
    "windows/dense/bias",
)
FIXED = {"labels_beside/bigrams/vectors"}  # not trained, as they are meant
PAIRS = [(encoder, head) for encoder in ARCHITECTURES for head in heads_of(encoder)]


@pytest.fixture(scope="module")
def trained(repo, tmp_path_factory):
    """Readers of each encoder's last checkpoint: of one run, and of one resumed."""
    folder = tmp_path_factory.mktemp("trained")
    subprocess.run(
        [sys.executable, "-m", "tests.conformance.run", str(folder)],
        cwd=repo,
        check=True,
        timeout=1800,
    )
    return {
        encoder: [
            tf.train.load_checkpoint(
                str(folder / name / encoder / f"model.ckpt-{STEPS}")
            )
            for name in ("whole", "resumed")
        ]
        for encoder in ARCHITECTURES
    }


def compare(one, two, names):
    compared = 0
    for name in names:
        if not any(part in name for part in ONLY_ROUNDING):
            error = relative_error(two.get_tensor(name), one.get_tensor(name))
            is_slot = name.endswith(restoring.SLOT_NAMES)
            assert error < (1e-3 if is_slot else 1e-4), name
            compared += 1
    assert compared


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_replicas_that_resume_train_an_encoder_as_one_does(trained, architecture):
    one, two = trained[architecture]
    names = set(one.get_variable_to_shape_map())
    assert set(two.get_variable_to_shape_map()) == names
    scope = small_config(architecture).scope
    table = f"{scope}/embeddings/word_embeddings"
    assert table in names  # frozen, and still in the checkpoint
    assert f"{table}/adam_m" not in names
    own = [name for name in names if name.startswith(f"{scope}/")]
    compare(one, two, own)


@pytest.mark.parametrize(("architecture", "head"), PAIRS)
def test_two_replicas_that_resume_train_a_head_as_one_does(trained, architecture, head):
    one, two = trained[architecture]
    own = [n for n in one.get_variable_to_shape_map() if n.startswith(f"{head}/")]
    model = {name for name in own if not name.endswith(restoring.SLOT_NAMES)}
    assert {name for name in model if f"{name}/adam_m" not in own} <= FIXED
    compare(one, two, own)
