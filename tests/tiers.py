"""Which cases of costly tests `make test` runs. The others are marked `thorough`.

`make test` shall stay cheap enough to be run. Of a test in the table it runs as many cases as the
table says, spread over all of them. EACH means as few as have each value of each parameter. With
0 the whole test is left out, because others of its file fail if what it tests is broken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest

ALL = "*"  # tests of a file
EACH = "each"
FEW: dict[str, dict[str, int | str]] = {  # file below tests/ -> test, or ALL of it -> cases
    "command/test_bad_input.py": {
        "test_it_is_the_same_in_a_process_of_its_own": 1,
    },
    "command/test_doctor.py": {
        "test_it_names_versions_memory_samplers_and_kernels": 0,
    },
    "command/test_export.py": {
        "test_every_stack_of_stock_layers_is_written_as_such": 5,
        "test_the_example_gives_the_logits_of_the_run_without_this_package": 0,
    },
    "command/test_map.py": {
        "test_a_map_is_a_page_a_picture_and_positions": 1,
    },
    "config/test_options.py": {
        "test_an_experiment_composes_as_by_hydra_and_the_command_line_beats_it": 6,
        "test_the_call_of_an_option_is_that_of_hydras_instantiate": 20,
    },
    "config/test_recipes.py": {
        "test_a_recipe_trains_on_a_graph_of_the_same_shape": 4,
    },
    "dataset/test_bad_files.py": {
        "test_a_cache_that_was_edited_is_made_anew": 2,
        "test_odd_arrays_are_no_mistake": 3,
    },
    "dataset/test_cache.py": {
        "test_two_processes_convert_once": 0,
    },
    "dataset/test_sbm.py": {
        "test_neighbourhoods_say_more_than_features": 0,
    },
    "dataset/test_sparse_features.py": {
        "test_the_fingerprint_is_that_of_dense_features": 3,
    },
    "embedding/test_learned.py": {
        "test_a_seed_gives_the_same_bytes_and_another_seed_others": 3,
        "test_training_lowers_the_loss": 2,
    },
    "embedding/test_methods.py": {
        "test_a_seed_gives_the_same_bytes_and_another_seed_others": 2,
    },
    "evolution/test_browser.py": {
        ALL: 0,
    },
    "graph/test_gather_compiles.py": {
        ALL: 0,
    },
    "graph/test_placement.py": {
        "test_rows_are_the_same_whether_they_are_cached_or_not": EACH,
    },
    "graph/test_sparse_features.py": {
        "test_a_linear_first_layer_makes_no_dense_rows": 4,
        "test_every_first_layer_computes_what_it_does_on_dense_features": 7,
        "test_every_sampler_gives_the_batches_that_it_gives_on_dense_features": 3,
    },
    "histories/test_table.py": {
        "test_a_refresh_makes_all_histories_exact_at_once": 1,
    },
    "kernels/attention/test_operator.py": {
        "test_indices_of_64_bits_and_strided_inputs_give_the_same": 2,
        "test_the_operator_obeys_the_rules_of_torch_library": 2,
    },
    "kernels/attention/test_triton.py": {
        "test_any_number_of_heads_and_channels_will_do": 6,
        "test_dropout_follows_its_definition_forward_and_backward": 3,
        "test_heads_are_spread_over_programs_where_a_row_is_wide": 2,
        "test_the_kernels_are_as_accurate_as_torch_in_float32": 4,
    },
    "kernels/test_aggregate_triton.py": {
        "test_sums_are_those_of_float64": EACH,
    },
    "kernels/test_backends.py": {
        "test_the_loss_curve_on_pubmed_is_the_same_on_numba_and_on_torch": 0,
    },
    "kernels/test_triton_compiles.py": {
        "test_every_kernel_compiles_for_sm_86": 0,
    },
    "memory/test_estimate.py": {
        "test_an_estimate_is_near_what_the_tensors_of_a_run_take": 6,
    },
    "memory/test_limit.py": {
        "test_beyond_the_limit_allocations_of_all_kinds_are_out_of_memory_and_succeed_later": 0,
    },
    "nn/test_attention.py": {
        "test_with_edges_as_pyg_takes_them_the_numbers_are_those_of_pyg": 6,
    },
    "nn/test_feature_linear.py": {
        "test_models_have_the_numbers_that_they_have_on_dense_features": 6,
        "test_no_dense_features_are_made_of_a_batch_or_in_inference": 3,
    },
    "partition/test_methods.py": {
        "test_communities_are_connected_numbered_by_size_and_isolated_nodes_are_alone": 1,
        "test_no_partition_of_any_small_graph_is_better": 2,
    },
    "partition/test_peers.py": {
        "test_the_modularity_is_within_2_thousandths_of_igraph_and_networkit": 1,
    },
    "prediction/test_answers.py": {
        "test_a_row_a_node_in_the_order_and_with_the_names_of_the_files": 5,
        "test_nodes_that_came_later_are_predicted_with_the_others": 5,
        "test_runs_of_every_sampler_answer_from_all_edges": 3,
    },
    "record/test_resume.py": {
        "test_sessions_of_five_boundaries_give_what_one_session_gives": 4,
    },
    "report/test_browser.py": {
        ALL: 0,
    },
    "run/test_batch_size.py": {
        "test_what_a_trial_cannot_allocate_does_not_fit": 0,
        "test_what_is_estimated_not_to_fit_is_not_tried": 1,
        "test_where_everything_fits_the_largest_is_all_there_is": 1,
    },
    "run/test_parallel.py": {
        "test_a_signal_to_one_process_stops_all_and_one_process_resumes": 0,
        "test_the_death_of_one_process_is_told_in_the_row_and_the_run_resumes": 0,
    },
    "run/test_pipeline.py": {
        "test_a_signal_to_one_stage_stops_all_and_they_resume_to_the_files_of_one_process": 0,
    },
    "run/test_temporal.py": {
        "test_training_is_bit_identical_whatever_comes_after_the_validation": 2,
    },
    "runtime/test_precision.py": {
        "test_bf16_is_near_float32_and_leaves_float32_weights": 3,
        "test_features_in_16_bits_are_computed_with_in_float32": 1,
    },
    "runtime/test_signals.py": {
        "test_a_signal_in_an_evaluation_that_does_not_end_ends_the_process": 0,
    },
    "sampler/test_saint.py": {
        "test_losses_and_sums_are_unbiased": 1,
        "test_normalisation_agrees_with_a_monte_carlo_estimate": 1,
    },
    "scripts/bench/cases/test_exact_training.py": {
        "test_what_is_right_has_no_fault": 2,
    },
    "scripts/bench/peers/test_layers.py": {
        "test_every_side_computes_the_same_layer": 2,
    },
    "scripts/bench/test_partitions.py": {
        "test_every_node_is_in_one_part": 1,
    },
    "scripts/bench/test_step.py": {
        "test_tiers_say_what_they_move_and_how_often_the_cache_has_it": 0,
    },
    "sweep/test_plan.py": {
        "test_a_ready_sweep_has_as_many_runs_as_its_first_line_says": 1,
    },
    "sweep/test_processes.py": {
        "test_a_killed_worker_costs_its_run_and_a_signal_ends_the_sweep_with_its_table": 0,
        "test_no_worker_outlives_a_sweep_that_was_killed": 0,
    },
    "test_contract.py": {
        "test_complete_neighborhoods_give_the_logits_of_the_full_graph": EACH,
        "test_histories_become_exact_while_weights_are_frozen": 8,
        "test_inference_in_chunks_equals_the_full_forward": 7,
    },
    "test_edge_weights.py": {
        "test_a_batch_has_the_weights_of_its_own_edges": EACH,
        "test_attention_is_refused_under_every_sampler_in_one_line_with_the_way_out": EACH,
        "test_complete_neighborhoods_give_the_logits_of_the_full_graph": 4,
        "test_edges_of_weight_zero_are_as_good_as_none": 4,
        "test_histories_become_exact_while_weights_are_frozen": 3,
        "test_weights_of_one_change_nothing": 3,
    },
    "test_end_to_end.py": {
        "test_a_sweep_survives_a_run_that_diverges": 0,
    },
    "test_examples.py": {
        "test_a_notebook_runs_from_top_to_bottom": 1,
    },
    "test_python.py": {
        "test_a_sweep_returns_its_rows_and_runs_nothing_twice": 0,
    },
    "test_random_graphs.py": {
        "test_a_model_takes_any_graph": 5,
    },
    "tracker/test_base.py": {
        "test_mlflow_keeps_settings_epochs_and_status_in_a_local_database": 0,
        "test_wandb_works_without_a_network": 0,
    },
    "verify/test_verdict.py": {
        "test_a_mean_that_is_taken_as_exact_makes_more_mistakes": 1,
        "test_a_true_reproduction_is_called_below_once_in_forty_at_most": 1,
        "test_twenty_seeds_tell_most_true_reproductions_and_nearly_all_large_losses": 0,
    },
}


def mark_thorough(items: Sequence[pytest.Item]) -> None:
    """Mark the cases that the table leaves out."""
    groups = defaultdict(list)
    for item in items:
        file, _, test = item.nodeid.split("[")[0].removeprefix("tests/").partition("::")
        known = FEW.get(file, {})
        number = known.get(test, known.get(ALL))
        if number is not None and item.get_closest_marker("slow") is None:
            groups[file, test if test in known else ALL, number].append(item)
    for (_, _, number), cases in groups.items():
        kept = cover(cases) if number == EACH else spread(cases, int(number))
        for item in cases:
            if item not in kept:
                item.add_marker("thorough")


def spread(cases: Sequence[pytest.Item], number: int) -> list[pytest.Item]:
    """Return `number` cases at equal distances, the first among them."""
    number = min(number, len(cases))
    return [cases[place * len(cases) // number] for place in range(number)]


def cover(cases: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return cases that have each value of each parameter, those with new values only first."""
    kept: list[pytest.Item] = []
    missing = {value for item in cases for value in _values(item)}
    for enough in (lambda new, all_: new == all_, lambda new, _: bool(new)):
        for item in cases:
            values = _values(item)
            if enough(values & missing, values):
                kept.append(item)
                missing -= values
    return kept


def _values(item: pytest.Item) -> set[tuple[str, str]]:
    """Return the parameters of a case, each with what its value looks like."""
    parameters = item.callspec.params  # type: ignore[attr-defined]
    return {(name, repr(value)) for name, value in parameters.items()}
