"""The table of floors (CONTRIBUTING.md), read from the import statements."""

from __future__ import annotations

import ast
import functools
import pathlib

import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = REPO / "albert"
MODULES = sorted(LIBRARY.rglob("*.py"))
NAMES = [path.relative_to(REPO).as_posix() for path in MODULES]


@functools.cache
def nodes_of(path):
    """Return all nodes of a file's tree, the tree first; read once, by many tests."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@functools.cache
def imported_names(path, top_level_only=False):
    """Return the dotted names that a file imports; type-checking ones are left out."""
    tree, *_ = nodes_of(path)
    nodes = tree.body if top_level_only else nodes_of(path)
    guarded = {
        id(inner)
        for node in nodes_of(path)
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


def importers(package, top_level_only=False):
    return {
        name
        for name, path in zip(NAMES, MODULES)
        if any(
            n == package or n.startswith(package + ".")
            for n in imported_names(path, top_level_only)
        )
    }


# folder of albert/ -> folders it may import, beside itself and `base`.
MAY_IMPORT = {
    "base": (),
    "text": (),
    "modeling": (),
    "records": ("text",),
    "checkpoints": ("text", "modeling"),
    "pretraining_data": ("text", "records"),
    "training": ("checkpoints", "modeling", "records"),
    "evaluation": ("training", "checkpoints", "modeling"),
    "tasks": (  # a task's folder never another's: see below
        *("text", "modeling", "records", "checkpoints", "training", "evaluation"),
        "pretraining_data",
    ),
    "serving": (
        *("text", "modeling", "checkpoints", "training", "evaluation", "tasks"),
    ),
}
# What imports no TensorFlow, not through another module either.
WITHOUT_TENSORFLOW = (
    "albert/base/",
    "albert/text/",
    "albert/records/features.py",
    "albert/records/tfrecord.py",
    "albert/pretraining_data/",
    "albert/modeling/config.py",
    "albert/checkpoints/config.py",
    "albert/modeling/huggingface_config.py",
    "albert/modeling/published_config.py",
    "albert/training/config.py",
    "albert/training/cluster_config.py",
    "albert/evaluation/config.py",
    "albert/tasks/finetuning_config.py",
    "albert/tasks/further_pretraining_config.py",
    "albert/tasks/mrc/config.py",
    "albert/tasks/mrc/decoding.py",
    "albert/tasks/mrc/examples.py",
    "albert/tasks/mrc/output.py",
    "albert/tasks/mrc/scoring.py",
    "albert/tasks/classification/config.py",
    "albert/tasks/classification/examples.py",
    "albert/tasks/classification/files.py",
    "albert/tasks/classification/layout.py",
    "albert/tasks/ner/analysis/",
    "albert/tasks/ner/annotations/",
    "albert/tasks/ner/config.py",
    "albert/tasks/electra/config.py",
    "albert/tasks/pretraining/config.py",
    "albert/tasks/pretraining_config.py",
    "albert/serving/batching.py",
    "albert/serving/page.py",
    "albert/serving/server.py",
    "albert/serving/service",
    "albert/serving/prediction_config.py",
    "albert/serving/export_config.py",
)


def library_imports(path):
    """Return the modules of `albert` that a file imports, as paths like NAMES."""
    found = set()
    for name in imported_names(path):
        parts = name.split(".")
        while parts[0] == "albert" and len(parts) > 1:
            module = "/".join(parts) + ".py"
            if module in NAMES:
                found.add(module)
                break
            parts.pop()
    return found


IMPORTS = {name: library_imports(path) for name, path in zip(NAMES, MODULES)}


@functools.cache
def reached_from(name):
    """Return every module that importing one imports, itself included."""
    seen, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(IMPORTS[module])
    return seen


def folder_of(name):
    return name.split("/")[1]


def test_the_checker_sees_imports():
    assert "albert/training/loop.py" in importers("tensorflow")
    assert "albert/checkpoints/storage.py" in IMPORTS["albert/training/loop.py"]
    assert "albert/base/errors.py" in reached_from("albert/training/loop.py")


def test_every_module_lies_on_a_floor():
    loose = [n for n in NAMES if n.count("/") == 1 and n != "albert/__init__.py"]
    assert loose == []
    assert {folder_of(n) for n in NAMES if n.count("/") > 1} == set(MAY_IMPORT)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_a_folder_imports_only_those_of_its_row(folder):
    allowed = {folder, "base", *MAY_IMPORT[folder], "__init__.py"}
    wrong = {
        (name, imported)
        for name in NAMES
        for imported in IMPORTS[name]
        if folder_of(name) == folder and folder_of(imported) not in allowed
    }
    assert not wrong


@functools.cache
def imported_into(name):
    """Return the names that a module of the library has from another module of it."""
    return {
        alias.asname or alias.name
        for node in nodes_of(REPO / name)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("albert")
        for alias in node.names
    }


def borrowed_names(path):
    """Return what a file takes from a module that has it from elsewhere itself.

    `from albert.training.loop import storage`, and `loop.storage`, would reach a folder
    that the row of the file's own may not hold.
    """
    modules, found = {}, set()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "albert"
        ):
            source = node.module.replace(".", "/") + ".py"
            for alias in node.names:
                module = f"{node.module.replace('.', '/')}/{alias.name}.py"
                if module in NAMES:
                    modules[alias.asname or alias.name] = module
                elif source in NAMES and alias.name in imported_into(source):
                    found.add((source, alias.name))
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            source = modules.get(node.value.id)
            if source is not None and node.attr in imported_into(source):
                found.add((source, node.attr))
    return found


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_nothing_is_imported_through_another_module(path):
    assert not borrowed_names(path)


def test_the_checker_sees_what_is_borrowed(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "from albert.training import loop\n"
        "from albert.training.loop import storage as s\n"
        "print(loop.restoring, loop.train)\n"
    )
    loop = "albert/training/loop.py"
    assert {"storage", "restoring"} <= imported_into(loop)
    assert borrowed_names(path) == {(loop, "storage"), (loop, "restoring")}


def test_the_table_runs_downward():
    order = list(MAY_IMPORT)
    for folder, allowed in MAY_IMPORT.items():
        assert all(order.index(a) < order.index(folder) for a in allowed)


def test_task_folders_never_import_each_other():
    def task_of(name):
        parts = name.split("/")
        return parts[2] if len(parts) > 3 and parts[1] == "tasks" else None

    wrong = {
        (name, imported)
        for name in NAMES
        for imported in IMPORTS[name]
        if folder_of(name) == "tasks"
        and task_of(imported)
        and task_of(imported) != task_of(name)
    }
    assert not wrong


@pytest.mark.parametrize("part", WITHOUT_TENSORFLOW)
def test_parts_without_tensorflow(part):
    modules = [name for name in NAMES if name.startswith(part)]
    assert modules
    # `records.features.parse`, which only readers call, imports it when called.
    with_tensorflow = importers("tensorflow", top_level_only=True)
    for name in modules:
        assert not reached_from(name) & with_tensorflow, name


@pytest.mark.parametrize(
    ("package", "only"),
    [
        ("jieba", {"albert/text/word_segmentation.py"}),
        ("rjieba", {"albert/text/word_segmentation.py"}),
        ("tokenizers", {"albert/text/vocab_training.py"}),
        ("gensim", {"albert/text/vector_training.py"}),
        ("nltk", {"albert/tasks/mrc/english.py"}),
        ("punkt", {"albert/tasks/mrc/english.py"}),
        ("seqeval", {"albert/tasks/ner/entities.py"}),
        ("sklearn", {"albert/tasks/classification/scores.py"}),
        ("matplotlib", {"albert/evaluation/plotting.py"}),
        ("safetensors", {"albert/checkpoints/huggingface.py"}),
        ("torch", {"albert/checkpoints/huggingface.py"}),
        ("transformers", set()),
        ("huggingface_hub", {"albert/checkpoints/hub.py"}),
        ("fastapi", {"albert/serving/service_routes.py"}),
        ("pydantic", {"albert/serving/service_schema.py"}),
        ("prometheus_client", {"albert/serving/service_metrics.py"}),
        ("uvicorn", {"albert/serving/server.py"}),
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


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_the_library_reads_no_flags_and_prints_nothing(path):
    used = {n.id for n in nodes_of(path) if isinstance(n, ast.Name)}
    if path.name != "cli.py":  # which says an error's one line
        assert "FLAGS" not in used
        assert "print" not in used


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_touches_global_random_state(path):
    calls = {ast.unparse(n.func) for n in nodes_of(path) if isinstance(n, ast.Call)}
    drawn = {c for c in calls if c.startswith(("random.", "np.random."))}
    assert drawn <= {"random.Random", "np.random.default_rng"}
