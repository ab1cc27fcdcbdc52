"""Learning curves: reading event files, joining runs, drawing."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import tensorflow as tf

from albert.base.errors import UserError
from albert.evaluation import curves

v1 = tf.compat.v1


def write_events(folder, started, points, tag="loss"):
    """Write an event file as of a run begun at a time; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{started}.host"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for step, value in points:
            values = [v1.Summary.Value(tag=tag, simple_value=value)]
            event = v1.Event(step=step, summary=v1.Summary(value=values))
            writer.write(event.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("runs", "steps", "values"),
    [
        ([], (), ()),
        ([[(1, 5), (2, 4)]], (1, 2), (5, 4)),
        ([[(10, 5), (20, 4), (30, 3)], [(20, 9)]], (10, 20), (5, 9)),
        ([[(10, 5), (20, 4)], [], [(30, 3)]], (10, 20, 30), (5, 4, 3)),
        ([[(10, 5)], [(10, 6), (10, 7)]], (10,), (7,)),
    ],
)
def test_a_run_that_resumes_replaces_the_steps_it_makes_again(runs, steps, values):
    assert curves.join_runs(runs) == curves.Curve(steps, values)


def test_files_are_joined_in_the_order_they_were_begun(tmp_path):
    write_events(tmp_path, 999, [(10, 5.0), (20, 4.0)])
    write_events(tmp_path, 1001, [(20, 2.0)])  # by name it would come before 999
    write_events(tmp_path / "eval", 1001, [(20, 3.0)])
    found = curves.read_curves(str(tmp_path))
    assert found.training == {"loss": curves.Curve((10, 20), (5.0, 2.0))}
    assert found.held_out == {"loss": curves.Curve((20,), (3.0,))}


def test_a_file_cut_short_is_read_up_to_there(tmp_path):
    path = write_events(tmp_path, 1, [(10, 5.0), (20, 4.0)])
    path.write_bytes(path.read_bytes()[:-3])
    assert curves.read_folder(str(tmp_path))["loss"].steps == (10,)


def test_a_folder_without_events_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no event file"):
        curves.read_curves(str(tmp_path))
    with pytest.raises(UserError, match="is not a folder"):
        curves.read_curves(str(tmp_path / "absent"))


def test_running_mean_spans_as_many_before_as_after():
    plotting = import_plotting()
    means = plotting.running_mean(np.array([1.0, 2.0, 6.0, 4.0, 5.0]), 3)
    np.testing.assert_allclose(means, [1.0, 3.0, 4.0, 5.0, 5.0])


def import_plotting():
    pytest.importorskip("matplotlib")
    from albert.evaluation import plotting

    return plotting


def test_each_panel_shows_its_curves():
    plotting = import_plotting()
    line = curves.Curve((10, 20), (5.0, 4.0))
    found = curves.Curves(
        {"loss": line, "learning_rate": line},
        {"loss": line, "masked_lm_accuracy": curves.Curve((20,), (0.25,))},
    )
    figure = plotting.plot_curves(found, "a run")
    shown = {axes.get_title(): axes for axes in figure.axes}
    assert len(shown) == 6
    loss = shown["Loss (masked LM + sentence order)"]
    assert [list(x.get_ydata()) for x in loss.lines] == [[5.0, 4.0], [5.0, 4.0]]
    assert [t.get_text() for t in shown["Masked LM accuracy"].texts] == ["25.0%"]
    order = shown["Sentence order accuracy"]
    assert not order.lines
    assert "not measured" in order.texts[0].get_text()


def test_a_run_of_electra_has_panels_of_its_own():
    plotting = import_plotting()
    line = curves.Curve((10, 20), (5.0, 4.0))
    recall = {"disc_recall": curves.Curve((20,), (0.25,))}
    found = curves.Curves({"loss": line, "disc_loss": line}, recall)
    figure = plotting.plot_curves(found, "a run")
    shown = {axes.get_title(): axes for axes in figure.axes}
    assert [list(x.get_ydata()) for x in shown["Discriminator loss"].lines] == [[5, 4]]
    texts = shown["Discriminator: replaced tokens found"].texts
    assert [text.get_text() for text in texts] == ["25.0%"]


def test_a_chinese_title_is_drawn_without_a_word(tmp_path):
    plotting = import_plotting()
    found = curves.Curves({"loss": curves.Curve((10, 20), (5.0, 4.0))}, {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plotting.plot_curves(found, "中文模型")
        plotting.save_figure(figure, str(tmp_path / "x.png"))
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_script_writes_a_picture(repo, tmp_path):
    import_plotting()
    write_events(tmp_path / "run", 1, [(10, 5.0), (20, 4.0)])
    command = [sys.executable, "tools/plot_training.py", f"--model_dir={tmp_path}/run"]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "20 steps" in done.stdout
    picture = (tmp_path / "run/training.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000
    command.append(f"--output_file={tmp_path}/absent/x.png")
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True)
    assert done.returncode == 1
    assert "absent does not exist" in done.stderr
    assert "Traceback" not in done.stderr
