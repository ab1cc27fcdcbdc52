"""Fixtures that several tests share."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import signal
import subprocess

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# A shell starts background jobs with Ctrl-C ignored, and their children inherit it:
# tests that interrupt would then wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPO = pathlib.Path(__file__).resolve().parent.parent
TESTDATA = REPO / "tests" / "testdata"


# The files that take longest begin, so that none of them is the last, with the other
# processes idle.
LONGEST = (
    "tests/scripts/test_survival.py",
    "tests/training/test_cluster.py",
    "tests/conformance/test_trainings.py",
    "tests/conformance/test_conformance.py",
    "tests/training/test_replicas.py",
    "tests/scripts/test_end_to_end.py",
    "tests/scripts/test_replicas.py",
    "tests/scripts/test_predict.py",
    "tests/scripts/test_ner_survival.py",
    "tests/scripts/test_run_ner.py",
    "tests/scripts/test_run_pretraining.py",
    "tests/serving/test_service.py",
    "tests/training/test_step.py",
    "tests/scripts/test_damaged_records.py",
    "tests/scripts/test_run_electra_pretraining.py",
    "tests/scripts/test_run_classifier.py",
    "tests/scripts/test_dynamic_masking.py",
)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.location[0], len(places)))


def pytest_collection_finish():
    """Search modules and tests for garbage no more: a graph makes for many searches."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def repo() -> pathlib.Path:
    """The repository's root."""
    return REPO


@pytest.fixture(scope="session")
def testdata() -> pathlib.Path:
    """The recorded files of the project."""
    return TESTDATA


@pytest.fixture(scope="session")
def own(testdata) -> pathlib.Path:
    """The recorded texts, vocabulary and records of data creation."""
    return testdata / "pretraining_data"


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The folder of third-party data beside a developer's checkout."""
    path = REPO.parent / "shared"
    if not path.is_dir():
        pytest.skip("third-party data: no folder ../shared beside the checkout")
    return path


@pytest.fixture(autouse=True)
def _only_slow_tests_start_processes_and_train(request, monkeypatch):
    """Hold `bash run_tests.sh --fast` to what it promises."""
    if request.node.get_closest_marker("slow"):
        return

    def refuse(*_, **__):
        pytest.fail("mark this test slow: it starts a process or trains a model")

    # First of all: the first import of TensorFlow asks a process for the processor.
    with contextlib.suppress(ImportError):
        monkeypatch.setattr("tensorflow.estimator.Estimator.train", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", refuse)
