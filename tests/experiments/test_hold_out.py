"""Documents held out, and texts without what is like them."""

from __future__ import annotations

import pytest

from albert.base.errors import UserError
from experiments import hold_out
from experiments.hold_out import HoldOutConfig

SENTENCE = "本文提出一种基于卷积神经网络的图像分类方法并给出实验结果"  # 28 characters


def write(path, documents):
    text = "\n\n".join("\n".join(document) for document in documents)
    path.write_text(text + "\n", encoding="utf-8")
    return str(path)


def run(folder, *inputs, **more):
    config = HoldOutConfig(
        held_out_from=str(folder / "abstracts.txt"),
        output_dir=str(folder / "out"),
        input_file=inputs,
        **more,
    )
    hold_out.run(config)
    return lambda name: hold_out.read_documents(str(folder / "out" / name))


def test_every_third_document_is_held_out(tmp_path):
    write(tmp_path / "abstracts.txt", [[f"第{n}篇"] for n in range(7)])
    read = run(tmp_path, every=3)
    assert read("held_out.txt") == [["第0篇"], ["第3篇"], ["第6篇"]]
    assert read("abstracts.txt") == [[f"第{n}篇"] for n in (1, 2, 4, 5)]


def test_sentences_like_held_out_ones_go_and_empty_documents_with_them(tmp_path):
    write(tmp_path / "abstracts.txt", [[SENTENCE], ["另一篇"]])
    # 28 characters have 17 sequences of 12. With the first 17 characters of the
    # sentence 6 of 17 are its own, 35 %; with 16 it is 5 of 17, 29 %.
    tail = "甲乙丙丁戊己庚辛壬癸子丑"
    like, other = SENTENCE[:17] + tail[:11], SENTENCE[:16] + tail
    papers = [[like], [SENTENCE, other], [SENTENCE[:11]]]
    path = write(tmp_path / "papers.txt", papers)
    read = run(tmp_path, path)
    assert read("papers.txt") == [[other], [SENTENCE[:11]]]


def test_the_corpus_itself_keeps_no_copy_of_what_is_held_out(tmp_path):
    other = "另一篇论文的另一句话与前面的句子没有任何相同之处"
    documents = [[SENTENCE], [other, f"摘要：{SENTENCE}"], [SENTENCE]]
    write(tmp_path / "abstracts.txt", documents)
    read = run(tmp_path)
    assert read("held_out.txt") == [[SENTENCE]]
    assert read("abstracts.txt") == [[other]]


def test_no_text_keeps_labelled_sentences_and_blanks_do_not_count(tmp_path):
    held_out = ["第一篇"]
    spaced = "本文 提出一种 基于 CNN 的图像分类方法 并给出实验结果"
    write(tmp_path / "abstracts.txt", [held_out, [spaced, SENTENCE]])
    papers = write(tmp_path / "papers.txt", [["另一句"], [spaced]])
    labelled = tmp_path / "test.conll"
    lines = [f"{character} O\n" for character in spaced.replace(" ", "")]
    labelled.write_text("".join(lines), encoding="utf-8")
    read = run(tmp_path, papers, labelled_files=(str(labelled),))
    assert read("held_out.txt") == [held_out]
    assert read("abstracts.txt") == [[SENTENCE]]
    assert read("papers.txt") == [["另一句"]]


def test_documents_are_drawn_until_there_are_so_many_characters(tmp_path):
    write(tmp_path / "abstracts.txt", [["一篇"], ["另一篇"]])
    path = write(tmp_path / "papers.txt", [[str(n) * 10] for n in range(10)])
    read = run(tmp_path, path, max_characters=35)
    drawn = read("papers.txt")
    assert len(drawn) == 4  # 40 characters; three would be 30
    assert len({str(d) for d in drawn}) == 4
    assert drawn != [[str(n) * 10] for n in range(4)]
    assert run(tmp_path, path, max_characters=35)("papers.txt") == drawn


def test_texts_of_one_name_are_refused(tmp_path):
    write(tmp_path / "abstracts.txt", [["一篇"]])
    (tmp_path / "more").mkdir()
    path = write(tmp_path / "more" / "abstracts.txt", [["一篇"]])
    with pytest.raises(UserError, match="texts of one name"):
        run(tmp_path, path)
