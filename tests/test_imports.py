"""The rules of the layers (CONTRIBUTING.md), read from the import statements."""

from __future__ import annotations

import ast
import pathlib

import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = REPO / "albert"
MODULES = sorted(LIBRARY.rglob("*.py"))
NAMES = [path.relative_to(REPO).as_posix() for path in MODULES]


def imported_names(path, top_level_only=False):
    """Return the dotted names that a file imports; type-checking ones are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names = set()
    for node in nodes:
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(package):
    return {
        name
        for name, path in zip(NAMES, MODULES)
        if any(
            n == package or n.startswith(package + ".") for n in imported_names(path)
        )
    }


def test_the_checker_sees_imports():
    assert "albert/training/loop.py" in importers("tensorflow")
    assert "albert/training/loop.py" in importers("albert.checkpoints.variables")


@pytest.mark.parametrize(
    "part",
    [
        "albert/config",
        "albert/text/tokenization.py",
        "albert/text/word_segmentation.py",
        "albert/metrics",
        "albert/text/vocab_training.py",
        "albert/base/cli.py",
        "albert/base/files.py",
    ],
)
def test_parts_without_tensorflow(part):
    assert any(name.startswith(part) for name in NAMES)
    assert not {n for n in importers("tensorflow") if n.startswith(part)}


def test_data_and_modeling_never_import_each_other():
    assert not {n for n in importers("albert.modeling") if "/data/" in n}
    assert not {n for n in importers("albert.data") if "/modeling/" in n}


@pytest.mark.parametrize(
    ("package", "only"),
    [
        ("jieba", {"albert/text/word_segmentation.py"}),
        ("rjieba", {"albert/text/word_segmentation.py"}),
        ("tokenizers", {"albert/text/vocab_training.py"}),
        ("seqeval", {"albert/tasks/ner/entities.py"}),
        ("matplotlib", {"albert/evaluation/plotting.py"}),
        (
            "apache_beam",
            {
                "albert/pretraining_data/execution/beam_files.py",
                "albert/pretraining_data/execution/beam_runner.py",
            },
        ),
    ],
)
def test_packages_that_one_file_imports(package, only):
    assert importers(package) == only


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("albert/config/", "albert.data"),
        ("albert/config/", "albert.tasks"),
        ("albert/config/", "albert.training.loop"),
        ("albert/modeling/", "albert.tasks"),
        ("albert/modeling/", "albert.training.loop"),
        ("albert/metrics/", "albert.tasks"),
        ("albert/data/", "albert.tasks"),
        ("albert/data/", "albert.training.loop"),
        ("albert/tasks/", "albert.training.loop"),
        ("albert/tasks/", "albert.evaluation.evaluator"),
    ],
)
def test_imports_run_downward(lower, upper):
    assert not {n for n in importers(upper) if n.startswith(lower)}


def test_training_knows_tasks_only_through_their_interface():
    names = imported_names(LIBRARY / "training.py")
    tasks = {n for n in names if n.startswith("albert.tasks")}
    assert tasks
    assert all(n.startswith("albert.training.task") for n in tasks)


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_library_reads_no_flags_and_prints_nothing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    if path.name != "cli.py":  # which says an error's one line
        assert "FLAGS" not in used
        assert "print" not in used


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_touches_global_random_state(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    drawn = {c for c in calls if c.startswith(("random.", "np.random."))}
    assert drawn <= {"random.Random", "np.random.default_rng"}
