//! One contract suite for every implementation of the ledger, and what SQLite promises beside it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "../support/many.rs"]
mod many_arrivals;
#[path = "../support/small_disk.rs"]
mod small_disk;

mod converting;
mod handing_off;
mod history;
mod making;
mod many;
mod merging;
mod place;
mod receiving;
mod replacing;
mod replaying;
mod retiring;
mod sqlite;
mod states;
mod waiting;

macro_rules! contract {
    ($($module:ident { $($test:ident)* })*) => {
        mod sqlite_steady {
            $($(
                #[test]
                fn $test() {
                    crate::$module::$test(&mut crate::place::Place::steady());
                }
            )*)*
        }

        mod sqlite_reopened {
            $($(
                #[test]
                fn $test() {
                    crate::$module::$test(&mut crate::place::Place::reopening());
                }
            )*)*
        }
    };
}

contract! {
    receiving {
        a_received_file_is_found_in_every_way
        receiving_the_same_id_again_changes_nothing
        the_same_bytes_under_the_same_name_are_a_duplicate
        the_same_bytes_under_another_name_or_from_another_sender_are_not
        a_duplicate_lists_a_hidden_name_again
        duplicates_are_processed_where_the_feed_says_so
        other_bytes_take_the_name
        a_held_arrival_starts_held
        advancing_follows_the_state_and_refuses_the_rest
        what_does_not_exist_is_missing
        renaming_moves_the_name_and_the_newest_wins
        a_released_file_that_was_renamed_onto_its_own_bytes_is_a_duplicate
        touching_and_hiding_change_the_listing_only
        usage_counts_what_a_sender_sent
    }
    converting {
        a_conversion_teaches_the_feed
        a_conversion_names_its_contract
        a_conversion_for_an_older_schema_is_refused_only_when_it_changes_it
        a_second_conversion_replaces_the_first
    }
    handing_off {
        a_batch_fixes_members_names_and_sequence
        a_batch_keeps_its_bounds_but_takes_at_least_one
        a_batch_has_one_schema_version
        raw_objects_are_handed_off_where_they_lie
        a_feed_closes_one_batch_at_a_time
        publishing_fills_the_outbox_once
        without_sinks_a_published_batch_is_handed_off
        deliveries_follow_the_order_and_stall
        the_last_acknowledgement_hands_off
        a_late_answer_changes_nothing
    }
    replacing {
        a_replacement_supersedes_what_no_batch_has
        a_replacement_retracts_what_is_published
        a_held_replacement_takes_nothing_back
        a_chain_of_replacements_leaves_one_version
        a_replacement_after_publication_is_carried_by_the_next_batch
        an_adopted_older_file_does_not_take_the_name
        live_files_can_be_asked_for_any_batch
    }
    replaying {
        a_replay_takes_the_place_of_what_was_published
        a_replay_that_comes_to_nothing_leaves_what_is_published
        only_what_is_published_is_replayed
        a_newer_version_overtakes_a_replay
    }
    retiring {
        parquet_is_taken_back_before_it_goes
        what_is_past_its_time_is_published_again_when_it_is_asked_for
        a_hold_stands_in_the_way_of_every_part
        with_a_receipt_goes_what_it_quotes
    }
    merging {
        small_outputs_of_one_kind_share_files_of_a_size
        files_that_do_not_go_together_are_published_apart
        one_that_is_replaced_leaves_the_rows_of_the_others_in_a_new_file
        one_that_is_erased_is_in_no_file_that_is_read
        without_the_option_every_arrival_has_its_file
    }
    waiting {
        what_waits_is_not_taken_further
        a_newer_version_takes_the_place_of_one_that_waits
        a_wait_is_not_put_off_by_who_did_not_see_what_came
        sidecars_find_their_file_before_and_after_it
        a_checksum_that_differs_holds_what_no_batch_has_and_passes_on
        a_version_that_comes_during_the_check_is_checked_too
        a_test_ends_in_its_own_state_and_teaches_nothing
    }
    history {
        history_is_a_tree
        loads_are_found_among_everything_else
        any_event_can_be_proven_against_any_later_root
        checkpoints_are_kept_and_never_replaced
    }
}
