"""What the plots show, before anybody draws them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redditgnn import CONF_DIR
from redditgnn.config.experiments import Experiments
from redditgnn.record.reading import files_of, read_runs
from redditgnn.report import interactive
from redditgnn.report.curves import ages_of, curves_of
from redditgnn.report.grids import heat_maps_of, matrix_of
from redditgnn.report.grouping import material_of
from redditgnn.report.plots import Line, Missing, contested_range, pareto_front
from redditgnn.report.printed import figure_of
from redditgnn.report.published import find_published
from redditgnn.report.scatter import scatters_of

CORA = (
    "edges=10556:859f658d features=1433:d95a6e76 labels=7:18ab9c93 split=140/500/1000:2a21689d "
    "protocol=transductive evaluator=exact"
)


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_front_is_what_nothing_dominates(points):
    front = pareto_front(points, float)
    for cost, score in points:
        dominated = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert ((cost, score) in front) == (not dominated)


def test_the_front_of_an_error_goes_down():
    points = [(1.0, 0.3), (2.0, 0.1), (3.0, 0.2)]
    assert pareto_front(points, lambda error: -error) == points[:2]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_the_contested_range_has_the_highest_score_and_at_least_half_of_all(scores):
    low, high = contested_range(scores)
    assert high == max(scores)
    assert min(scores) <= low + 1e-9
    assert sum(score >= low - 1e-9 for score in scores) * 2 >= len(scores)


def test_an_outlier_far_below_does_not_stretch_the_axis_and_is_counted(material, row):
    rows = [row(f"{n}", 0, 0.80 + n / 100) for n in range(4)] + [row("low", 0, 0.3)]
    (plot, _) = scatters_of(material(rows).groups[0], [], [])
    assert plot.score_range == pytest.approx((76.7, 83.3))
    assert "; 1 far below the others is not shown." in plot.sentence
    with figure_of(plot) as figure:
        assert figure.axes[0].get_ylim() == pytest.approx(plot.score_range)
    assert interactive.figure_of(plot).layout.yaxis.range == pytest.approx(plot.score_range)


def test_a_configuration_alone_is_shown_however_far_above_published_numbers_are(material, row):
    group = material([row("a", 0, 0.30), row("a", 1, 0.31)]).groups[0]
    (plot, _) = scatters_of(group, [], [])
    assert not isinstance(plot, Missing)
    lines = [Line(f"published: {n}", 80.0 + n, "#000000", "") for n in range(4)]
    low, high = replace(plot, lines=lines, best=None).score_range
    assert low < 30.5
    assert high > 83


def test_scores_without_an_outlier_are_all_shown(material, row):
    rows = [row(f"{n}", 0, 0.80 + n / 100) for n in range(4)]
    (plot, _) = scatters_of(material(rows).groups[0], [], [])
    assert plot.score_range == pytest.approx((79.85, 83.15))
    assert "not shown" not in plot.sentence


def test_the_best_by_validation_is_in_view_even_if_it_scores_far_below(material, row):
    rows = [row(f"{n}", 0, 0.80 + n / 100, val_micro_f1=0.5) for n in range(4)]
    rows.append(row("best", 0, 0.3, val_micro_f1=0.9))
    (plot, _) = scatters_of(material(rows).groups[0], [], [])
    assert plot.score_range[0] < 30
    assert "not shown" not in plot.sentence


def test_early_epochs_do_not_stretch_the_axis_of_curves(write, row, epochs):
    results_dir = write([row("a", 0), row("b", 0, 0.7)])
    epochs(results_dir, "run-a-0", [0.1, 0.78, 0.79, 0.80, 0.80])
    epochs(results_dir, "run-b-0", [0.1, 0.58, 0.59, 0.60, 0.60])
    (group,) = material_of(read_runs(files_of(results_dir))).groups
    low, high = curves_of(group, []).score_range
    assert 10 < low < 60
    assert 80 < high < 85


def test_a_curve_far_below_the_others_is_in_view(write, row, epochs):
    results_dir = write([row("a", 0), row("b", 0), row("c", 0)])
    for name in "ab":
        epochs(results_dir, f"run-{name}-0", [0.79, 0.80, 0.80, 0.80])
    epochs(results_dir, "run-c-0", [0.1, 0.2])
    (group,) = material_of(read_runs(files_of(results_dir))).groups
    low, _ = curves_of(group, []).score_range
    assert 10 < low < 20


def test_bars_of_the_points_in_view_are_whole(material, row):
    (plot, _) = scatters_of(material([row("a", 0, 0.80), row("a", 1, 0.90)]).groups[0], [], [])
    (point,) = plot.points
    low, high = plot.score_range
    assert low <= point.y - point.spread
    assert point.y + point.spread <= high


def test_plots_of_several_devices_say_which_in_title_and_file_name(material, row):
    group = material([row("a", 0), row("b", 0, device_name="NVIDIA H100 (80GB)")]).groups[0]
    plots = {plot.slug: plot.title for plot in scatters_of(group, [], [])}
    assert plots["toy-time-NVIDIA-H100-80GB"].endswith(" on NVIDIA H100 (80GB)")
    assert plots["toy-memory-Some-CPU"].endswith(" on Some CPU")


def test_devices_with_alike_names_have_files_of_their_own(material, row):
    group = material([row("a", 0), row("b", 0, device_name="Some (CPU)")]).groups[0]
    assert len({plot.slug for plot in scatters_of(group, [], [])}) == 4


def test_each_device_has_plots_of_its_own(material, row):
    group = material([row("a", 0), row("b", 0, device_name="GPU")]).groups[0]
    plots = list(scatters_of(group, [], []))
    assert len({plot.slug for plot in plots}) == len(plots) == 4
    assert all(len(plot.points) == 1 for plot in plots)
    assert all(" of 1 configuration of " in plot.sentence for plot in plots)


def test_a_cost_that_nobody_recorded_is_said_in_words(material, row):
    (group,) = material([row("a", 0, peak_rss_mib="")]).groups
    time, memory = scatters_of(group, [], [])
    assert isinstance(memory, Missing)
    assert memory.why == "no completed run on Some CPU recorded its peak memory"
    assert time.points[0].lines == (
        "gat, full",
        "test 80.00 %, n=1",
        "val 81.00 %",
        "0.5 s/epoch",
    )


def test_a_target_is_a_line_only_on_the_data_that_it_is_of(material, row):
    experiments = Experiments([CONF_DIR])
    (cora,) = material([row("a", 0, experiment="cora_gat", fingerprint=CORA)]).groups
    (published,) = find_published(cora, experiments)
    assert (published.experiment, published.target.percent) == ("cora_gat", 83.0)
    (plot, _) = scatters_of(cora, [], [published])
    assert [line.y for line in plot.lines] == [83.0]
    (other,) = material([row("a", 0, experiment="cora_gat")]).groups
    assert find_published(other, experiments) == []
    (unknown,) = material([row("a", 0, experiment="of_my_own", fingerprint=CORA)]).groups
    assert find_published(unknown, experiments) == []


def test_a_curve_is_the_mean_over_seeds_as_far_as_all_of_them_got(write, row, epochs):
    results_dir = write([row("a", 0), row("a", 1)])
    epochs(results_dir, "run-a-0", [0.1, 0.3, 0.5])
    epochs(results_dir, "run-a-1", [0.3, 0.5])
    (group,) = material_of(read_runs(files_of(results_dir))).groups
    (curve,) = curves_of(group, []).curves
    assert (curve.x, curve.mean) == ([1, 2], [20.0, 40.0])
    assert curve.low == pytest.approx([20 - 14.142, 40 - 14.142], abs=1e-3)


def test_one_seed_has_no_band_and_a_broken_file_is_left_out(write, row, epochs):
    results_dir = write([row("a", 0), row("a", 1)])
    epochs(results_dir, "run-a-0", [0.1, 0.3])
    epochs(results_dir, "run-a-1", [0.1])
    (results_dir / "runs" / "run-a-1" / "epochs.csv").write_text("epoch,val_micro_f1\n1,oops\n")
    (group,) = material_of(read_runs(files_of(results_dir))).groups
    plot = curves_of(group, [])
    assert plot.curves[0].low == []
    assert "no bands, for each has one seed" in plot.sentence


def test_without_epochs_there_are_no_curves_and_a_reason(material, row):
    (group,) = material([row("a", 0)]).groups
    assert curves_of(group, []) == Missing(
        "Learning curves", "no epochs.csv lies beside the runs (runs/RUN_ID/epochs.csv)"
    )


def test_a_cell_of_a_heat_map_is_the_best_by_validation_never_an_average(material, row):
    rows = [
        row(
            f"{heads}-{dropout}-{lr}",
            0,
            0.6 + heads / 100 + lr,
            val_micro_f1=0.9 - lr,
            settings={"model.heads": heads, "model.dropout": dropout, "optimizer.lr": lr},
        )
        for heads in (1, 2)
        for dropout in (0.1, 0.2)
        for lr in (0.01, 0.1)
    ]
    (group,) = material(rows).groups
    maps = {plot.slug: plot for plot in heat_maps_of(group, ["model.heads"])}
    assert len(maps) == 3
    grid = maps["toy-gat-full-dropout-heads"]
    assert (grid.columns, grid.rows) == (["0.1", "0.2"], ["1", "2"])
    assert grid.values == [[62.0, 62.0], [63.0, 63.0]]
    assert "lr chosen in each cell by validation score" in grid.sentence


def test_the_matrix_leaves_empty_what_was_not_run(material, row):
    rows = [row("a", 0), row("b", 0, 0.7, model="gcn", sampler="gas")]
    (group,) = material(rows).groups
    grid = matrix_of(group, [])
    assert (grid.columns, grid.rows) == (["gat", "gcn"], ["full", "gas"])
    assert grid.values == [[80.0, None], [None, 70.0]]


def test_one_model_with_one_sampler_is_no_matrix(material, row):
    (group,) = material([row("a", 0)]).groups
    assert isinstance(matrix_of(group, []), Missing)
    assert [type(plot) for plot in heat_maps_of(group, [])] == [Missing]


@pytest.mark.parametrize("length", [5, 12, 25, 51, 90])
def test_a_legend_on_paper_is_never_wider_than_its_column(material, row, length):
    rows = [row(f"{n}", 0, model=f"{'model ' * length}"[:length] + f"{n}") for n in range(4)]
    (plot, _) = scatters_of(material(rows).groups[0], [], [])
    with figure_of(plot) as figure:
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_scores_by_age_are_drawn_where_runs_have_them(write, row, epochs):
    results_dir = write([row("a", 0), row("a", 1)])
    for seed, scores in enumerate(([0.5, 0.3], [0.7, 0.5])):
        epochs(results_dir, f"run-a-{seed}", [0.1])
        lines = [f"{age},{score}" for age, score in zip((2, 4.5), scores, strict=True)]
        text = "\n".join(["age,micro_f1", *lines, ""])
        (results_dir / "runs" / f"run-a-{seed}" / "ages.csv").write_text(text)
    (group,) = material_of(read_runs(files_of(results_dir))).groups
    ages = ages_of(group, [])
    assert (ages.curves[0].x, ages.curves[0].mean) == ([2, 4.5], [60.0, 40.0])
    assert (ages.title, ages.x_title) == ("Scores by age of the model", "time since training")


def test_without_ages_there_is_no_plot_of_them(material, row):
    (group,) = material([row("a", 0)]).groups
    assert ages_of(group, []) is None
