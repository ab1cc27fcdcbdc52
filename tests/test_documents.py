"""The documents: links, files and commands lead somewhere, flags exist."""

from __future__ import annotations

import ast
import dataclasses
import functools
import pathlib
import re
import shlex

import pytest

from albert.base.settings import REQUIRED, list_settings
from albert.modeling.encoder import ARCHITECTURES
from experiments.arms import DriverConfig
from experiments.crf_config import CrfConfig
from experiments.cut_squad import CutConfig
from experiments.hold_out import HoldOutConfig
from tests.beam_kit import PIPELINE_OPTIONS
from tests.beam_kit import SCRIPT as BEAM_SCRIPT
from tests.test_imports import MAY_IMPORT
from tools.flag_tables import collect_flags

REPO = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path.relative_to(REPO).as_posix()
    for path in [*REPO.glob("*.md"), *REPO.glob("docs/**/*.md")]
    + list(REPO.glob("examples/**/*.md"))
    + list(REPO.glob("models/**/*.md"))
)
NER_TOOLS = (
    "tools/evaluate_ner.py",
    "tools/convert_annotations.py",
    "tools/check_ner_data.py",
)
READMES = ("README.md", "README.zh-CN.md")
SCRIPTS = sorted(
    path.relative_to(REPO).as_posix()
    for path in [*REPO.glob("*.py"), *REPO.glob("tools/*.py")]
    if path.name not in ("setup.py", "flag_tables.py")  # without flags of their own
)
BENCHMARKS = (
    *("benchmarks/data_creation.py", "benchmarks/pretraining.py"),
    *("benchmarks/prediction.py", "benchmarks/service.py"),
    "benchmarks/mrc_features.py",
    "benchmarks/saved_model.py",
)
# Modules to be run, and the configs that their flags are made of.
EXPERIMENTS = {
    "experiments/arms.py": DriverConfig,
    "experiments/ngram_crf.py": CrfConfig,
    "experiments/hold_out.py": HoldOutConfig,
    "experiments/cut_squad.py": CutConfig,
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELLS = ("bash", "sh")
LANGUAGES = (*SHELLS, "dockerfile", "json", "python", "text")
# Flags of programs that are not this project's.
OTHER_FLAGS = PIPELINE_OPTIONS | {"help", "logdir", "service_port"}
OTHER_FLAGS |= {"fast"}  # of run_tests.sh


def read(document):
    return (REPO / document).read_text("utf-8")


def prose(document):
    """Return a document without its fenced blocks."""
    return FENCE.sub("", read(document))


def headings(document):
    """Return (level, text) of each heading."""
    found = re.findall(r"^(#+) (.*)$", prose(document), re.MULTILINE)
    return [(len(marks), text) for marks, text in found]


def anchors(document):
    """Return the anchors that GitHub gives the headings."""
    names = []
    for _, text in headings(document):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = len([n for n in names if re.fullmatch(rf"{re.escape(name)}(-\d+)?", n)])
        names.append(f"{name}-{count}" if count else name)
    return names


def links(document):
    """Return the targets of links and pictures, those on the web left out."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(document))
    return [target for target in found if not re.match(r"https?://", target)]


def code_spans(document):
    return re.findall(r"`([^`\n]+)`", prose(document))


def shell_blocks(document):
    found = FENCE.findall(read(document))
    return [text for language, text in found if language in SHELLS]


def commands(document):
    """Return the commands of blocks and of code spans, as lists of words."""
    lines = [
        line
        for block in shell_blocks(document)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    lines += [s for s in code_spans(document) if re.match(r"(until )?\w+ \S+", s)]
    lines = [re.sub(r"^until |; do .*", "", line) for line in lines]
    lines = [line for line in lines if re.match(r"(python3|bash) \S", line)]
    return [shlex.split(line, comments=True) for line in lines]


@functools.cache
def settings_of(script):
    """Return flag -> setting of a script."""
    if script in EXPERIMENTS:
        return {found.flag: found for found in list_settings(EXPERIMENTS[script])}
    return collect_flags(str(REPO / script))


@functools.cache
def flags_of(script):
    """Return the flags that a script takes."""
    if script in BENCHMARKS:
        source = read(script)
        found = set(re.findall(r'DEFINE_\w+\(\s*"(\w+)"', source))
        return found | set(re.findall(r'add_argument\(\s*"--(\w+)"', source))
    found = set(settings_of(script))
    return found | PIPELINE_OPTIONS if script == BEAM_SCRIPT else found


def flags_in(words):
    found = (re.match(r"--(\w+)", word) for word in words)
    return {match.group(1) for match in found if match}


def test_the_documents_are_found():
    assert {"README.md", "CONTRIBUTING.md", "docs/data.md"} <= set(DOCUMENTS)
    assert {"run_ner.py", "tools/train_vocab.py"} <= set(SCRIPTS)


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## Vocabulary and checkpoint", "vocabulary-and-checkpoint"),
        ("## NER on the SciBERT-CN set", "ner-on-the-scibert-cn-set"),
        ("### 1. `train_vocab.py`: text", "1-train_vocabpy-text"),
        ("## 与 albert_zh 的不同", "与-albert_zh-的不同"),
    ],
)
def test_anchors_are_those_of_github(heading, anchor, monkeypatch):
    monkeypatch.setitem(globals(), "read", lambda document: heading + "\n")
    assert anchors("any.md") == [anchor]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    for target in links(document):
        name, _, anchor = target.partition("#")
        path = (REPO / document).parent / name if name else REPO / document
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.resolve().relative_to(REPO)), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_exists(document):
    top = {path.name for path in REPO.iterdir()}
    folders = (REPO, (REPO / document).parent, REPO / "albert", REPO / "tools")
    for name in code_spans(document):
        ours = re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", name) and (
            name.endswith((".py", ".sh", ".md"))
            or ("/" in name and name.split("/")[0] in top)
        )
        if ours:
            assert any((folder / name).exists() for folder in folders), name


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_name_their_language(document):
    for language, text in FENCE.findall(read(document)):
        assert language in LANGUAGES, text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_name_scripts_that_exist_and_flags_that_these_have(document):
    for words in commands(document):
        if words[:3] == ["python3", "-m", "pytest"]:
            wanted = [word for word in words[3:] if word.startswith("tests/")]
        elif words[1].startswith("-"):
            continue
        else:
            wanted = [words[1]]
        for path in wanted:
            assert (REPO / path).exists(), words
        if words[1].endswith(".py"):
            assert flags_in(words[2:]) <= flags_of(words[1]), words


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_flag_that_a_document_names_exists(document):
    known = set().union(*map(flags_of, [*SCRIPTS, *BENCHMARKS, *EXPERIMENTS]))
    known |= OTHER_FLAGS
    named = set(re.findall(r"(?<![\w-])--([a-z]\w+)", read(document)))
    assert named - known == set()


def rows_of_flags(document):
    """Return the flags named in the first column of a document's tables."""
    rows = re.findall(r"^\| (`--.*?) \|", read(document), re.MULTILINE)
    return {flag for row in rows for flag in re.findall(r"`--(\w+)", row)}


TABLES = (
    (
        "docs/data.md",
        (
            *("create_pretraining_data.py", "tools/train_vocab.py"),
            *("tools/train_vectors.py", "create_electra_data.py"),
        ),
    ),
    (
        "docs/pretraining.md",
        ("run_pretraining.py", "export_checkpoint.py", "tools/plot_training.py"),
    ),
    ("docs/electra.md", ("run_electra_pretraining.py",)),
    ("docs/ner.md", ("run_ner.py",)),
    ("docs/mrc.md", ("run_mrc.py", "tools/score_mrc.py")),
    ("docs/classification.md", ("run_classifier.py",)),
    ("docs/multitask.md", ("run_multitask.py",)),
    ("docs/annotations.md", NER_TOOLS),
    ("docs/formats.md", ("convert_checkpoint.py", "export_saved_model.py")),
    ("docs/service.md", ("serve.py",)),
    ("docs/prediction.md", ("predict.py",)),
    (
        "docs/experiments.md",
        (
            *("experiments/arms.py", "experiments/hold_out.py"),
            "experiments/cut_squad.py",
        ),
    ),
)


@pytest.mark.parametrize(("document", "scripts"), TABLES)
def test_tables_hold_every_flag(document, scripts):
    defined = set().union(*map(flags_of, scripts))
    switches = {"whole_word_spans", "continuation_labels"}  # with their values
    assert rows_of_flags(document) | switches == defined | switches


def is_said(cell, default):
    """Whether the cell of a table is a default; words of any kind say None."""
    if default in (REQUIRED, None, ()):
        return True
    cell = cell.replace("`", "")
    if isinstance(default, tuple):
        return cell == ",".join(default)
    if isinstance(default, (bool, str)):
        return cell == str(default)
    cell = cell.replace(",", "")
    return re.fullmatch(r"[\d.e-]+", cell) is not None and float(cell) == default


@pytest.mark.parametrize(
    ("cell", "default", "expected"),
    [
        *(("5e-5", 5e-05, True), ("100000", 100_000, True), ("", 1, False)),
        *(("10,000", 10_000, True), ("all", None, True), ("True", False, False)),
        *(
            ("`lamb`", "lamb", True),
            ("adamw", "lamb", False),
            ("a,b", ("a", "b"), True),
            ("1", True, False),
        ),
    ],
)
def test_a_default_is_known_in_a_table(cell, default, expected):
    assert is_said(cell, default) == expected


@pytest.mark.parametrize(
    ("document", "script"),
    [(document, script) for document, scripts in TABLES for script in scripts],
)
def test_tables_hold_the_defaults_of_the_configs(document, script):
    cells = {}
    for names, cell in re.findall(r"^\| (`--.*?) \|(.*?)\|", read(document), re.M):
        flags, parts = re.findall(r"`--(\w+)", names), cell.strip().split(", ")
        if len(parts) != len(flags):  # one default for all, or each its own
            parts = [cell.strip()] * len(flags)
        for flag, part in zip(flags, parts):
            cells.setdefault(flag, []).append(part)
    for flag, declared in settings_of(script).items():
        assert any(is_said(cell, declared.default) for cell in cells[flag]), flag


def test_every_script_has_a_table():
    assert set(SCRIPTS) == {
        *("create_pretraining_data.py", "tools/train_vocab.py", "run_pretraining.py"),
        *("export_checkpoint.py", "tools/plot_training.py", "run_ner.py", BEAM_SCRIPT),
        *("tools/train_vectors.py", "convert_checkpoint.py", "serve.py"),
        *("predict.py", "tools/score_mrc.py", "run_classifier.py"),
        *("run_mrc.py", "run_multitask.py"),
        *("create_electra_data.py", "run_electra_pretraining.py"),
        "export_saved_model.py",
        *NER_TOOLS,
    }


@functools.cache
def texts_of_the_source():
    """Return all strings of the program; what is put into them is a line feed."""
    texts = set()
    for path in [*REPO.glob("*.py"), *REPO.glob("albert/**/*.py")]:
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {
            id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in node.values]
                strings = [p if isinstance(p, str) else "\n" for p in parts]
                texts.add("".join(strings))
            elif id(node) in documentation or not isinstance(node, ast.Constant):
                continue
            elif isinstance(node.value, str):
                texts.add(re.sub(r"%\S*?[a-zA-Z]", "\n", node.value))
    return texts


def program_says(message):
    """Whether a string of the program reads so; numbers and ... stand for anything."""
    parts = map(re.escape, re.split(r"\.\.\.|\d+|(?<=\[)\w+(?=\])", message))
    pattern = re.compile(".*".join(parts), re.DOTALL)
    return any(map(pattern.search, texts_of_the_source()))


def test_messages_are_told_from_what_is_never_said():
    assert program_says("num_gpus is 3, but TensorFlow sees 2")
    assert not program_says("num_gpus is 3, and TensorFlow sees 2")
    assert not program_says("Nothing to train: step 3 is at or past num_train_steps")


def test_the_messages_in_the_table_are_those_of_the_program():
    table = read("docs/errors.md").partition("## Messages")[2]
    rows = re.findall(r"^\| (`.*?) \| ", table, re.MULTILINE)
    messages = [m for row in rows for m in re.findall(r"`([^`]+)`", row)]
    assert len(messages) > 20
    assert [m for m in messages if not program_says(m)] == []


@pytest.mark.parametrize("readme", READMES)
def test_a_readme_is_short(readme):
    assert len(read(readme).splitlines()) <= 150


def without_comments(block):
    return re.sub(r" +#.*", "", block)


def test_both_readmes_are_built_alike():
    english, chinese = READMES
    levels = [[level for level, _ in headings(name)] for name in READMES]
    assert levels[0] == levels[1]
    blocks = [[without_comments(b) for b in shell_blocks(name)] for name in READMES]
    assert blocks[0] == blocks[1]
    targets = [
        sorted(target for target in links(name) if target not in READMES)
        for name in READMES
    ]
    assert targets[0] == targets[1]
    rows = [len(re.findall(r"^\|", read(name), re.MULTILINE)) for name in READMES]
    assert rows[0] == rows[1]
    assert english in links(chinese)
    assert chinese in links(english)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d.startswith("docs/")])
def test_the_readme_leads_to_every_document(document):
    assert document in links("README.md")


def test_the_table_of_floors_is_the_one_that_is_tested():
    everything_above = "all above"
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", read("CONTRIBUTING.md"), re.M)
    seen = []
    for folder, allowed in rows:
        if allowed == everything_above:
            assert set(MAY_IMPORT[folder]) <= set(seen)
        else:
            assert set(re.findall(r"`(\w+)`", allowed)) == set(MAY_IMPORT[folder])
        seen.append(folder)
    assert seen == list(MAY_IMPORT)


def test_the_tables_of_configurations_hold_every_architecture_and_key():
    part = read("docs/formats.md").split("\n## Configurations\n")[1]
    first, second = part.split("\n## ")[0].split("| key |")
    rows = [re.findall(r"^\| (`[^|]*) \|", table, re.M) for table in (first, second)]
    rows = [
        [key for row in part for key in re.findall(r"`(\w+)`", row)] for part in rows
    ]
    assert rows[0] == list(ARCHITECTURES)
    keys = [
        {field.name for field in dataclasses.fields(row.config_class)}
        for row in ARCHITECTURES.values()
    ]
    assert set(rows[1]) == set().union(*keys)
