//! Which test shows what becomes of a fault: a table that is compared with the tests.
//!
//! The numbers are those of our list of faults, as in the names of the tests. Each fault is answered by a clear error, the
//! other side stays intact, and no descriptor is left. A test may be a model, or a look at the library's source.
//!
//! | case | fault | tests |
//! |---|---|---|
//! | 1 | a connection says nothing | `case_01_a_thousand_silent_connections_go_and_a_few_silent_ones_stay`, `case_01_a_session_whose_windows_are_never_acknowledged_goes`, `case_01_a_user_has_a_limited_number_of_unfinished_handshakes` |
//! | 2 | a handshake comes byte by byte | `case_02_a_handshake_in_single_bytes_is_no_handshake` |
//! | 3 | a header is cut | `case_03_to_07_wrong_packets_on_a_connection_are_refused_and_it_stays_usable`, `case_03_to_07_a_wrong_packet_on_a_session_ends_that_session_alone` |
//! | 4 | a length is beyond everything | `case_03_to_07_wrong_packets_on_a_connection_are_refused_and_it_stays_usable`, `case_04_05_arguments_in_parts_that_lie_end_the_session` |
//! | 5 | less is announced than came | `case_04_05_arguments_in_parts_that_lie_end_the_session` |
//! | 6 | a version, type or code is unknown | `a_petition_of_another_major_version_is_told_so`, `case_06_a_refusal_of_information_or_garbage_instead_is_an_error` |
//! | 7 | reserved bytes are not zero | `case_03_to_07_wrong_packets_on_a_connection_are_refused_and_it_stays_usable` |
//! | 8 | a packet is empty | `case_08_an_empty_packet_is_not_the_end_and_its_descriptor_is_closed` |
//! | 9 | a packet is longer than the buffer | `case_09_a_packet_longer_than_any_is_refused_whole` |
//! | 10 | packets come out of order, or twice | `case_10_packets_out_of_order_end_their_session`, `case_10_answers_to_hello_out_of_order_or_of_no_sense_are_refused` |
//! | 11 | a handshake is split anywhere | `case_11_a_handshake_that_is_split_anywhere_is_no_handshake` |
//! | 12 | nobody listens any more | `case_12_answers_to_those_who_do_not_listen_kill_nobody`, `case_12_a_server_that_closes_its_ends_does_not_kill_its_client` |
//! | 13 | a descriptor for a door that refuses them | `case_13_a_door_that_refuses_descriptors_closes_them_and_says_so` |
//! | 14 | the most descriptors that a packet takes | `case_14_the_most_descriptors_for_a_door_that_takes_four_are_all_closed`, `case_14_descriptors_without_end_before_a_first_reply_are_an_error` |
//! | 15 | one descriptor more than announced | `case_15_a_descriptor_too_many_or_too_few_is_noticed`, `case_14_15_18_descriptors_of_a_reply_that_lie_are_a_lost_reply` |
//! | 16 | the receiver's table is full | `case_16_a_call_whose_descriptors_do_not_fit_the_servers_table_does_not_run`, `a_client_with_a_full_table_hears_that_the_reply_was_lost` |
//! | 17 | a security module refuses a descriptor: the kernel tells it as 16 | `case_16_a_call_whose_descriptors_do_not_fit_the_servers_table_does_not_run` |
//! | 18 | descriptors come with a later packet, or unasked | `case_18_descriptor_packets_that_contradict_each_other_lose_the_call`, `case_18_packets_on_the_session_that_nobody_asked_for_end_it` |
//! | 19 | a receive forgets the descriptors | `packets_with_descriptors_are_sent_and_received_in_one_file_each` |
//! | 20 | too many descriptors are in flight | `case_20_too_many_descriptors_in_flight_refuse_a_call_and_nothing_else`, `case_20_tokens_that_nobody_collects_are_limited_and_come_back`, `case_20_what_one_user_leaves_unread_takes_descriptors_from_nobody_else` |
//! | 21 | the peer sends us our own ends | `case_21_a_session_that_holds_its_own_ends_dies_with_its_client`, `case_21_our_own_end_of_a_token_is_no_private_end` |
//! | 22 | a descriptor is slow to close | `case_22_a_descriptor_that_is_slow_to_close_holds_up_nobody_else`, `case_22_more_slow_closes_than_closers_leave_what_others_send_closed`, `case_22_who_sends_too_many_slow_descriptors_loses_its_connection_and_nobody_else`, `case_22_a_server_whose_descriptors_are_slow_to_close_loses_its_session`, `case_16_22_slow_descriptors_that_do_not_fit_the_table_hold_up_nobody` |
//! | 23 | a descriptor is of another kind | `case_23_private_ends_of_the_wrong_kind_are_refused_and_closed`, `case_23_27_to_31_windows_that_are_not_sealed_sized_and_typed_are_refused` |
//! | 24 | a descriptor leaks over exec | `case_24_every_descriptor_of_the_server_is_close_on_exec`, `an_exec_closes_everything` |
//! | 25 | a descriptor blocks for ever | `case_25_a_procedure_need_not_wait_for_what_a_caller_never_writes` |
//! | 26 | the receiver is killed before it receives | `case_26_a_client_that_is_killed_before_it_takes_descriptors_costs_the_server_none`, `case_26_a_server_that_is_killed_before_it_takes_descriptors_costs_the_client_none`, `case_26_descriptors_that_nobody_collects_go_with_their_session` |
//! | 27 | memory is cut while we read it | `case_27_memory_that_is_cut_kills_whoever_looks_at_it`, `case_27_30_35_36_windows_cannot_be_cut_grown_or_mapped_by_others`, `case_23_27_to_31_windows_that_are_not_sealed_sized_and_typed_are_refused` |
//! | 28 | memory cannot be sealed | `case_23_27_to_31_windows_that_are_not_sealed_sized_and_typed_are_refused` |
//! | 29 | memory is of huge pages, or secret | `case_29_windows_of_huge_pages_and_of_secret_memory_are_refused`, `memory_of_huge_pages_is_told_by_its_file_system` |
//! | 30 | a size or an offset is wrong | `case_30_shapes_that_nobody_may_have_are_refused` |
//! | 31 | memory is enormous | `case_23_27_to_31_windows_that_are_not_sealed_sized_and_typed_are_refused`, `case_31_windows_that_nobody_asked_for_are_not_mapped` |
//! | 32 | the payload changes under the check | `case_32_33_words_and_payload_that_change_all_the_time_harm_nobody` |
//! | 33 | the length changes after the check | `case_32_33_words_and_payload_that_change_all_the_time_harm_nobody` |
//! | 34 | a hole is punched | `case_34_a_hole_that_was_punched_before_the_seal_reads_as_zeros`, `case_27_30_35_36_windows_cannot_be_cut_grown_or_mapped_by_others` |
//! | 44 | a word is garbage | `case_44_garbage_in_any_word_is_a_failure_or_the_end_of_the_session`, `case_41_44_replies_that_lie_are_protocol_errors_and_end_the_session` |
//! | 45 | a word flips at full speed | `case_45_a_turn_word_that_flips_at_full_speed_ends_its_session_only`, `case_45_a_turn_word_of_the_server_that_flips_at_full_speed_is_an_error_or_a_reply` |
//! | 46 | the peer's threads take our wakes | `case_46_threads_parked_on_the_servers_word_keep_no_thread_of_it` |
//! | 47 | the peer wakes never, or for nothing | `case_47_a_call_is_served_though_nobody_wakes_the_server_and_wakes_for_nothing_are_harmless` |
//! | 48 | a wake meets who is falling asleep | `a_call_reaches_a_server_that_falls_asleep`, `an_answer_reaches_a_client_that_falls_asleep` |
//! | 49 | a sleep is interrupted | `case_49_signals_do_not_end_or_shorten_a_sleeping_call` |
//! | 50 | a shared word is slept on as a private one | `words_that_are_shared_are_slept_on_as_such_and_have_no_owner`, `a_null_call_that_wakes_a_sleeping_thread_allocates_nothing` |
//! | 51 | both sides think that it is their turn | `two_calls_pass_between_two_that_fall_asleep`, `the_next_call_finds_whoever_served_the_first` |
//! | 52 | an answer is late | `case_52_53_an_answer_twice_or_late_is_no_answer_to_a_later_call`, `a_late_answer_never_answers_the_next_call` |
//! | 53 | an answer comes twice | `case_52_53_an_answer_twice_or_late_is_no_answer_to_a_later_call`, `case_53_a_second_first_call_while_one_runs_is_refused` |
//! | 54 | a generation wraps | `turns_go_on_where_either_half_of_their_number_wraps`, `a_late_answer_never_answers_the_next_call` |
//! | 55 | the peer stands still in its turn | `case_55_a_deadline_holds_against_a_server_that_says_nothing`, `a_stopped_server_is_waited_for_until_the_deadline` |
//! | 56 | the peer names threads in a word | `words_that_are_shared_are_slept_on_as_such_and_have_no_owner` |
//! | 107 | a holder shuts its token down | `case_107_shutdown_on_a_token_ends_no_reference_and_disturbs_no_other`, `a_holder_cannot_fake_its_end` |
//! | 108 | the peer dies while we fall asleep | `a_waiting_thread_leaves_a_dead_peer`, `a_server_may_be_killed_at_any_instant_of_many_calls` |
//! | 109 | a channel is used again while the server reads | `arguments_of_two_calls_are_never_mixed`, `calls_given_up_never_mix_with_later_ones`, `case_109_a_call_given_up_before_it_is_taken_does_not_run` |
//! | 110 | a call meets the switch to quiet | `a_call_is_served_once_while_the_thread_leaves`, `calls_around_the_moment_of_falling_quiet_are_never_lost` |
//! | 111 | a petition is relayed | `case_111_a_relayed_hello_is_refused` |
//! | 112 | a client says false processor numbers | `case_112_false_processor_numbers_of_a_client_lead_nowhere`, `a_caller_whose_processor_changes_at_each_call_is_soon_not_followed_any_more` |
//! | 113 | a procedure starts threads, children, and asks for processors | `case_113_a_procedure_its_threads_and_its_children_have_all_processors`, `a_narrow_thread_starts_wide_ones` |
//! | 114 | a name gets another server | `two_servers_at_one_path_are_never_mixed_up` |
//! | 115 | a token lies in somebody's unread socket | `a_copy_in_flight_counts_although_its_sender_was_killed` |
//! | 116 | the deadline meets the taking | `what_the_caller_takes_for_not_executed_never_runs`, `case_116_a_call_that_is_said_not_to_have_run_never_ran` |
//! | 117 | no server at a first call | `case_57_117_the_end_of_the_server_before_and_after_taken_is_told_apart`, `case_117_a_server_that_takes_no_first_call_is_not_waited_for_for_ever`, `case_117_a_server_that_never_says_ready_is_not_waited_for_for_ever`, `a_child_that_keeps_all_sockets_does_not_hide_the_death` |
//! | 118 | another process acts in our name | `case_118_a_session_is_registered_in_by_its_own_process_only`, `case_118_a_call_on_the_connection_of_another_process_does_not_run_nor_disturb`, `case_118_another_process_cannot_give_up_a_first_call`, `case_118_nobody_is_refused_for_anothers_packet_while_the_table_is_full`, `case_118_a_call_that_runs_is_not_refused_for_a_later_packet_while_the_table_is_full`, `case_118_a_process_with_the_pid_of_one_that_has_called_does_not_call_in_its_name` |
//! | 119 | a token closes while a call waits | `case_119_a_call_published_before_its_token_closes_runs`, `case_119_a_call_runs_though_another_thread_closes_its_door_before_it_is_taken` |
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The cases that the table must have.
const CASES: [std::ops::RangeInclusive<u32>; 4] = [1..=34, 44..=56, 107..=111, 114..=119];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions that the test runner calls.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [".", "../doors/src", "../doors/tests"] {
        sources(&root.join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::trim);
        while lines.any(|line| line == "#[test]") {
            // Other attributes may stand between.
            let function = lines.find_map(|line| line.strip_prefix("fn ")).unwrap();
            names.insert(function.split_once('(').unwrap().0.to_owned());
        }
    }
    names
}

/// The rows of the table: the case, and the tests that it names.
fn table() -> BTreeMap<u32, Vec<&'static str>> {
    let lines = include_str!("faults.rs").lines();
    let rows = lines.filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    cells
        .filter_map(|cells| {
            let case = cells.first()?.parse().ok()?;
            let named = cells.last()?.split('`').skip(1).step_by(2).collect();
            Some((case, named))
        })
        .collect()
}

#[test]
fn every_fault_has_a_test_that_exists() {
    let (table, tests) = (table(), tests());
    for case in CASES.into_iter().flatten() {
        let named = table.get(&case).map_or(&[][..], Vec::as_slice);
        assert!(!named.is_empty(), "case {case} has no test");
        for name in named {
            assert!(
                tests.contains(*name),
                "case {case}: no test is named {name}"
            );
        }
    }
}
