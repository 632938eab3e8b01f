"""Every fault that may meet a training, an evaluation or a command, and the tests that inject it."""

import ast
import json
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
GROUPS = ("TRN", "DDP", "CLI", "SRV")
INJECTED = {
    "TRN-02 gradients overflow under fp16": (
        "unit/training/test_steps.py::test_fp16_finds_its_gradient_scale_and_goes_on",
        "unit/training/test_steps.py::test_an_overflow_is_no_reason_to_stop",
    ),
    "TRN-03 out of memory in a step": (
        "unit/training/test_loop.py::test_out_of_memory_says_what_to_lower_and_loses_no_step",
        "unit/core/test_out_of_memory.py::test_every_library_is_understood_and_the_command_says_it_in_one_way",
    ),
    "TRN-04 out of memory in the evaluation": (
        "unit/training/test_loop.py::test_an_evaluation_that_fails_is_repeated_and_nothing_else",
    ),
    "TRN-08 kill -9 at random times": (
        "end_to_end/test_kills.py::test_whatever_a_run_is_killed_at_it_goes_on_to_the_same_weights",
    ),
    "TRN-09 kill -9 inside the save": (
        "end_to_end/test_kills.py::test_whatever_a_run_is_killed_at_it_goes_on_to_the_same_weights",
        "unit/training/run/test_checkpointing.py::test_what_a_dead_process_left_is_removed_with_the_next_save",
        "unit/training/run/test_run_folder.py::test_what_a_killed_run_left_unfinished_is_removed",
    ),
    "TRN-11 full disk under the log": (
        "unit/training/run/test_metrics_log.py::test_a_log_that_cannot_be_written_is_said_once_and_stops_nothing",
    ),
    "TRN-12 output not writable": (
        "unit/training/run/test_run_folder.py::test_an_unwritable_place_is_refused_before_anything_else",
        "unit/cli/commands/test_train.py::test_data_or_a_model_that_cannot_be_used_leave_no_folder",
    ),
    "TRN-13 a read that fails once": (
        "unit/training/input/test_dataset.py::test_a_read_that_fails_once_is_tried_again",
    ),
    "TRN-15 an image deleted in the epoch": (
        "unit/training/input/test_dataset.py::test_a_deleted_image_is_left_out_and_listed",
        "unit/training/test_loop.py::test_a_deleted_image_is_said_and_the_run_goes_on",
    ),
    "TRN-16 a worker killed": ("unit/training/input/test_dataset.py::test_a_killed_worker_is_reported_by_pid",),
    "TRN-19 a batch without boxes": (
        "unit/training/test_steps.py::test_images_without_objects_teach_the_classes_only",
    ),
    "TRN-21 one process without boxes": (
        "end_to_end/test_distributed_training.py::test_two_processes_learn_what_one_does_and_one_can_go_on",
        "unit/losses/test_object_count.py::test_is_never_less_than_one",
        "unit/losses/test_object_count.py::test_processes_share_their_average",
    ),
    "TRN-22 more boxes than queries": (
        "unit/training/test_diagnosis.py::test_more_objects_than_queries_are_told_with_the_fullest_image",
        "unit/training/test_steps.py::test_more_objects_than_queries_are_counted",
        "unit/matching/test_assignment.py::test_with_more_objects_than_queries_every_query_is_taken",
    ),
    "TRN-24 0, 1, 4 workers": ("end_to_end/test_training.py::test_the_number_of_workers_changes_nothing",),
    "TRN-25 resume inside an epoch": (
        "end_to_end/test_training.py::test_a_run_stopped_at_any_step_goes_on_bit_by_bit",
    ),
    "TRN-26 data changed between stop and resume": (
        "unit/training/test_loop.py::test_changed_data_are_refused_on_resume",
        "unit/training/run/test_checkpointing.py::test_other_data_is_refused_unless_allowed",
    ),
    "TRN-28 checkpoint of another version": (
        "unit/training/run/test_checkpointing.py::test_another_format_is_refused_with_both_versions",
    ),
    "TRN-29 the clock jumps back": (
        "unit/training/run/test_checkpointing.py::test_the_newest_two_are_kept_by_step_and_not_by_clock",
    ),
    "TRN-30 two runs in one folder": (
        "unit/training/run/test_run_folder.py::test_a_second_run_is_refused_and_a_dead_one_is_not_in_the_way",
    ),
    "DDP-02 the first process killed in the save": (
        "end_to_end/test_distributed_training.py::test_the_first_one_killed_inside_a_save_and_four_going_on",
    ),
    "DDP-03 a process is late": ("unit/training/test_processes.py::test_waiting_is_reported_long_before_the_timeout",),
    "DDP-05 resumed with 1 and with 4 processes": (
        "end_to_end/test_distributed_training.py::test_two_processes_learn_what_one_does_and_one_can_go_on",
        "end_to_end/test_distributed_training.py::test_the_first_one_killed_inside_a_save_and_four_going_on",
        "unit/training/input/test_sampling.py::test_a_run_resumes_where_it_stopped_with_another_number_of_processes",
    ),
    "DDP-06 images that do not divide by the processes": (
        "end_to_end/test_distributed_training.py::test_two_processes_learn_what_one_does_and_one_can_go_on",
        "end_to_end/test_evaluate.py::test_two_processes_count_every_image_once",
    ),
    "DDP-07 evaluation on 2 processes": (
        "end_to_end/test_evaluate.py::test_two_processes_count_every_image_once",
        "end_to_end/test_torchrun.py::test_a_run_and_what_it_measured",
    ),
    "DDP-09 port in use": ("end_to_end/test_distributed_training.py::test_a_port_that_is_taken_is_a_slip",),
    "DDP-11 different settings": (
        "end_to_end/test_distributed_training.py::test_processes_with_different_settings_refuse_to_start",
    ),
    "CLI-01 output in a read-only folder": (
        "unit/cli/commands/test_predict.py::test_an_output_that_cannot_be_written_is_refused_before_the_model_is_read",
        "unit/cli/commands/test_train.py::test_data_or_a_model_that_cannot_be_used_leave_no_folder",
        "unit/cli/commands/test_evaluate.py::test_what_cannot_be_done_is_refused_in_one_line",
    ),
    "CLI-02 output exists": (
        "unit/cli/commands/test_predict.py::test_a_used_output_is_refused_unless_it_goes_on_or_begins_anew",
        "unit/cli/commands/test_train.py::test_a_run_goes_on_as_it_began",
        "unit/cli/commands/test_evaluate.py::test_what_cannot_be_done_is_refused_in_one_line",
        "unit/cli/commands/test_data.py::test_an_output_that_is_there_is_left_alone",
    ),
    "CLI-03 output is the input": (
        "unit/cli/commands/test_predict.py::test_the_output_is_never_the_input",
        "unit/cli/commands/test_train.py::test_the_output_is_never_the_data",
        "unit/cli/commands/test_evaluate.py::test_what_cannot_be_done_is_refused_in_one_line",
        "unit/cli/commands/test_data.py::test_an_output_that_is_there_is_left_alone",
    ),
    "CLI-07 input missing": (
        "unit/cli/commands/test_predict.py::test_what_is_not_there_ends_the_run_before_it_begins",
        "unit/cli/commands/test_train.py::test_data_or_a_model_that_cannot_be_used_leave_no_folder",
        "unit/cli/commands/test_evaluate.py::test_predictions_of_something_else_are_named",
        "unit/cli/commands/test_data.py::test_a_path_to_nothing_is_a_slip",
    ),
    "CLI-09 some inputs bad": (
        "unit/cli/commands/test_predict.py::test_a_folder_with_bad_images_is_done_in_part",
        "unit/cli/commands/test_evaluate.py::test_images_that_cannot_be_read_are_listed",
    ),
    "CLI-10 Ctrl-C": (
        "end_to_end/test_interruption.py::test_a_signal_ends_a_run_after_the_image_in_hand",
        "end_to_end/test_interruption.py::test_a_killed_run_loses_at_most_the_image_in_hand",
        "end_to_end/test_train_command.py::test_three_commands_and_a_stop_on_the_way",
        "end_to_end/test_evaluate.py::test_a_signal_ends_it_and_leaves_no_half_report",
    ),
    "CLI-11 names and locales": ("end_to_end/test_surroundings.py::test_odd_names_in_the_plainest_locale",),
    "CLI-15 converted as another architecture": (
        "unit/cli/test_commands.py::test_convert_refuses_another_architecture_with_keys",
    ),
    "CLI-16 classes of the data are not the model's": (
        "unit/cli/commands/test_evaluate.py::test_classes_of_other_names_need_a_map",
    ),
    "CLI-19 no network": (
        "end_to_end/test_surroundings.py::test_without_a_network_a_hub_name_fails_soon_and_names_the_cache",
    ),
    "CLI-20 hub id without revision": (
        "end_to_end/test_surroundings.py::test_the_commit_of_a_hub_model_is_printed_and_stored",
        "end_to_end/test_surroundings.py::test_the_commit_that_a_run_began_with_is_stored",
    ),
    "CLI-21 old Python or PyTorch": ("unit/cli/test_commands.py::test_what_is_too_old_is_reported_in_one_line",),
    "SRV-02 chunked body without end": (
        "unit/serving/protocol/test_http_errors.py::test_too_large_without_a_word_is_cut_off_at_the_limit",
    ),
    "SRV-03 fewer bytes than were announced": (
        "unit/serving/protocol/test_http_errors.py::test_more_bytes_than_come_are_not_waited_for",
        "unit/serving/test_patience.py::test_a_body_that_stops_or_trickles",
    ),
    "SRV-04 a head a byte at a time": (
        "unit/serving/test_patience.py::test_a_head_a_byte_at_a_time",
        "unit/serving/test_patience.py::test_slow_callers_do_not_hurt_the_others",
    ),
    "SRV-08 malformed form": ("unit/serving/protocol/test_http_errors.py::test_a_malformed_form_is_refused_fast",),
    "SRV-09 10 000 parts": ("unit/serving/protocol/test_http_errors.py::test_a_malformed_form_is_refused_fast",),
    "SRV-10 names of files": ("unit/serving/protocol/test_http_errors.py::test_the_name_of_a_file_means_nothing",),
    "SRV-13 every bad image": (
        "unit/serving/test_bad_pictures.py::test_every_image_of_the_corpus_is_answered_or_refused",
    ),
    "SRV-14 bombs": ("unit/serving/test_bad_pictures.py::test_a_bomb_is_refused_from_its_head",),
    "SRV-15 an address": ("unit/serving/protocol/test_http_errors.py::test_no_url_is_ever_fetched",),
    "SRV-20 twice the capacity": (
        "unit/serving/test_load.py::test_twice_the_capacity_is_served_at_capacity",
        "unit/serving/test_load.py::test_beyond_the_queue_there_is_a_503_with_retry_after",
    ),
    "SRV-22 a caller leaves": ("unit/serving/test_patience.py::test_a_disconnect_removes_the_image_from_the_queue",),
    "SRV-23 the network is late": (
        "unit/serving/test_end.py::test_a_late_network_is_abandoned_and_a_new_thread_answers",
    ),
    "SRV-25 a lost device": ("unit/serving/test_end.py::test_a_lost_device_is_no_endless_500",),
    "SRV-28 metrics from outside": (
        "unit/serving/protocol/test_http_errors.py::test_without_the_token_only_health_is_open",
        "unit/cli/commands/test_serve.py::test_other_machines_are_let_in_with_a_warning",
    ),
    "SRV-30 SIGTERM with a stuck request": ("unit/serving/test_end.py::test_drain_has_a_time_limit",),
    "SRV-32 health": (
        "unit/serving/test_end.py::test_it_is_not_ready_before_a_first_image",
        "unit/serving/test_end.py::test_accepted_requests_are_answered_before_the_end",
        "unit/serving/protocol/test_responses.py::test_health_and_metadata",
    ),
    "SRV-33 port in use": ("unit/cli/commands/test_serve.py::test_a_port_that_is_taken_is_a_slip",),
    "SRV-34 the address that is listened on": (
        "end_to_end/test_serve.py::test_it_serves_this_machine_alone_and_makes_no_outside_requests",
        "unit/cli/commands/test_serve.py::test_other_machines_are_let_in_with_a_warning",
    ),
    "SRV-35 another origin": (
        "unit/serving/protocol/test_responses.py::test_every_answer_has_an_id_and_tells_browsers_to_keep_out",
    ),
    "SRV-36 markup in names": (
        "unit/serving/protocol/test_http_errors.py::test_the_name_of_a_file_means_nothing",
        "unit/serving/protocol/test_responses.py::test_every_answer_has_an_id_and_tells_browsers_to_keep_out",
    ),
    "SRV-37 insides in an answer": (
        "unit/serving/test_end.py::test_a_bug_goes_to_the_log_and_not_to_the_client",
        "unit/serving/test_bad_pictures.py::test_every_image_of_the_corpus_is_answered_or_refused",
    ),
    "SRV-38 files stay open": ("unit/serving/test_load.py::test_files_and_memory_stay_as_they_are",),
    "SRV-41 an hour at 80 %, of which a minute is tested": (
        "unit/serving/test_load.py::test_files_and_memory_stay_as_they_are",
    ),
}
CANNOT_HAPPEN = {
    "CLI-18": "condetr keeps no index of a data set that could be damaged",
    "SRV-19": "the service fetches no address, so none can be slow",
    "SRV-27": "the service reads its model once, and has no call that changes it",
}


def functions_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("fault", INJECTED)
def test_what_injects_a_fault_is_there(fault):
    for test in INJECTED[fault]:
        path, name = test.split("::")
        assert (TESTS / path).is_file(), test
        assert name in functions_in(TESTS / path), test


def test_no_fault_is_forgotten(shared):
    known = {one["id"] for one in json.loads((shared / "badinputs/faults.json").read_text())}
    answered = {fault.split()[0] for fault in INJECTED}
    assert answered.isdisjoint(CANNOT_HAPPEN)
    assert answered | CANNOT_HAPPEN.keys() == {fault for fault in known if fault.startswith(GROUPS)}
