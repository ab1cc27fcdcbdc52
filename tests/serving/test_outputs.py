"""Results as JSON lines, CoNLL and HTML."""

from __future__ import annotations

import html.parser
import json

import pytest

from albert.serving.inputs import Item, read_items
from albert.serving.outputs import Result, Totals, make_writer
from albert.tasks.ner.text import TextSentence, split_text

METHOD = {"type": "M", "start": 1, "end": 3, "surface": "图像", "score": 0.25}


def result(text, tags=(), entities=(), fields=None):
    return Result(Item(text, (text,), fields), split_text(text), tags, entities)


def test_json_lines_keep_fields_and_add_entities():
    writer = make_writer("jsonl", ["M"], "")
    plain = writer.write(result("用图像", entities=[METHOD]))
    assert plain == (
        '{"text": "用图像", "entities": [{"type": "M", "start": 1, "end": 3, '
        '"surface": "图像", "score": 0.25}]}\n'
    )
    fields = {"id": 3, "body": "用", "entities": "old"}
    line = writer.write(result("用", fields=fields))
    assert json.loads(line) == {"id": 3, "body": "用", "entities": []}


def test_half_a_surrogate_pair_comes_back_as_it_was():
    """JSON can write one; UTF-8 cannot."""
    line = make_writer("jsonl", [], "").write(result("用\ud83d"))
    assert json.loads(line.encode("utf-8"))["text"] == "用\ud83d"
    written = make_writer("conll", [], "").write(result("用\ud83d", [["O", "O"]]))
    assert written == "用 O\n\ufffd O\n\n"


def test_text_is_written_in_columns_a_blank_line_after_each_sentence():
    writer = make_writer("conll", ["M"], "")
    tags = [["O", "B-M", "I-M", "O"], ["O"]]
    assert writer.write(result("用 图像。好", tags)) == (
        "用 O\n图 B-M\n像 I-M\n。 O\n\n好 O\n\n"
    )
    assert writer.write(result("")) == ""


def test_lines_of_columns_get_a_field_more_and_others_stay(tmp_path):
    path = tmp_path / "given"
    path.write_text("-DOCSTART- X\n\n用\tO\n图\tB-M\n\n \n像\tO\n\n", "utf-8")
    writer, tags = make_writer("conll", ["M"], ""), [["O", "B-M"], ["I-M"], []]
    written = "".join(
        writer.write(Result(item, [], [found] if found else [], []))
        for item, found in zip(read_items([str(path)], "conll"), tags)
    )
    assert written == ("-DOCSTART- X\n\n用\tO\tO\n图\tB-M\tB-M\n\n \n像\tO\tI-M\n\n")


class PageReader(html.parser.HTMLParser):
    """Collects the texts of list items without the small print, and the marks."""

    def __init__(self):
        super().__init__()
        self.items, self.marks, self.open, self.tags = [], [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag in ("li", "mark", "small"):
            self.open.append(tag)
        if tag == "li":
            self.items.append("")
        if tag == "mark" and "li" in self.open:
            self.marks.append([dict(attributes)["class"], ""])

    def handle_endtag(self, tag):
        if tag in ("li", "mark", "small"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        if "li" in self.open and "small" not in self.open:
            self.items[-1] += data
            if "mark" in self.open:
                self.marks[-1][1] += data


@pytest.mark.parametrize("types", [["M"], ["A", "M"], ["<b>&", "M"]])
def test_a_page_holds_every_text_unchanged_and_marks_its_entities(types):
    texts = [
        "用图像 & <script>alert('x')</script>",
        "",
        '"&amp;"\t  两\r\n个\r空格\u2028',
    ]
    writer = make_writer("html", types, "a<b")
    results = [result(text, entities=[METHOD][: not n]) for n, text in enumerate(texts)]
    totals = Totals(0, {}).add(results)
    page = writer.begin() + "".join(map(writer.write, results)) + writer.end(totals)
    reader = PageReader()
    reader.feed(page)
    assert reader.items == texts
    assert "\r" not in page  # as itself it is a line feed to browsers
    assert reader.marks == [[f"t{types.index('M')}", "图像"]]
    assert not reader.tags & {"script", "b", "link", "img"}
    assert reader.open == []
    assert "<title>a&lt;b</title>" in page
    assert "3 texts; entities: M 1" in page
    assert "@media print" in page
    assert "M 0.25</small>" in page


def test_a_page_holds_no_character_that_html_forbids():
    page = make_writer("html", [], "").write(result("a\x00\x1b\ud800b"))
    assert page == "<li>a\ufffd\ufffd\ufffdb</li>\n"


def test_totals_count_texts_and_entities_by_type():
    other = {**METHOD, "type": "T"}
    totals = Totals(0, {}).add([result("a", entities=[METHOD, other])])
    totals = totals.add([result("b", entities=[METHOD]), result("")])
    assert totals == Totals(3, {"M": 2, "T": 1})


def test_sentences_need_not_begin_at_the_text():
    sentence = TextSentence(("好",), (5,), (6,))
    one = Result(Item("用 图像。好", ()), [sentence], [["O"]], [])
    assert make_writer("conll", [], "").write(one) == "好 O\n\n"
