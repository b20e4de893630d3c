//! SECURITY.md promises something in each row of its table of threats; here each row names the tests that hold it. A row
//! without a test, a test that is gone and an entry without a row are failures.

use std::fs;
use std::path::Path;

/// The beginning of a row's threat, and the tests of it: their file in the repository and their name.
#[rustfmt::skip]
const ROWS: &[(&str, &[(&str, &str)])] = &[
    ("a credential in an argument, a result or a tag is sent", &[
        ("mcpcat-runtime/tests/values_secrets.rs", "a_secret_beside_its_key_is_found_in_every_form"),
        ("mcpcat-runtime/tests/values_secrets.rs", "a_form_is_found_inside_json_at_any_level"),
        ("mcpcat-runtime/tests/values_patterns.rs", "every_kind_is_found_alone_and_inside_other_text"),
        ("mcpcat-runtime/tests/values.rs", "a_planted_key_never_shows_its_value"),
        ("tests/suite/privacy.rs", "a_planted_secret_never_leaves"),
    ]),
    ("a credential stands in the address that events are sent to", &[
        ("mcpcat-runtime/src/delivery/endpoint.rs", "an_address_is_shown_without_what_could_be_secret"),
        ("mcpcat-runtime/src/client/config.rs", "a_port_that_is_none_is_refused"),
    ]),
    ("binary content is sent", &[
        ("mcpcat-runtime/tests/values.rs", "binary_content_is_named_by_its_size"),
        ("mcpcat-runtime/tests/values.rs", "sequences_of_bytes_are_named_by_their_size"),
    ]),
    ("a credential rests on the disk until delivery", &[
        ("mcpcat-runtime/tests/delivery/resting.rs", "only_scrubbed_events_are_on_disk_and_a_next_start_delivers_them"),
    ]),
    ("a redaction hook fails, hangs or panics", &[
        ("mcpcat-runtime/tests/values_privacy.rs", "five_hanging_hooks_cost_five_events_and_no_other"),
        ("mcpcat-runtime/tests/values_privacy.rs", "what_is_not_an_event_does_not_pass_a_hook"),
    ]),
    ("a hook forges whose event it is", &[
        ("mcpcat-runtime/tests/values_privacy.rs", "an_event_hook_may_change_or_drop_but_not_forge"),
    ]),
    ("a hostile value (very deep, very large, endless)", &[
        ("mcpcat-runtime/tests/values.rs", "nothing_below_the_depth_limit_is_serialised"),
        ("mcpcat-runtime/tests/values.rs", "memory_does_not_follow_what_is_cut_away"),
        ("mcpcat-runtime/tests/values.rs", "one_value_stays_within_the_bytes_of_an_event"),
    ]),
    ("a hostile text makes scrubbing slow", &[
        ("mcpcat-runtime/tests/values_patterns.rs", "a_text_made_of_beginnings_is_read_in_linear_time"),
    ]),
    ("another local user reads or plants spool files", &[
        ("mcpcat-runtime/tests/spool.rs", "planted_runs_are_not_followed"),
    ]),
    ("a session is recorded that must not be", &[
        ("tests/suite/privacy.rs", "a_session_without_consent_is_served_and_nothing_of_it_is_serialised"),
        ("tests/suite/privacy.rs", "until_an_asynchronous_consent_is_given_nothing_is_recorded"),
        ("mcpcat-runtime/src/client/switch.rs", "what_is_not_text_is_a_no"),
        ("mcpcat-runtime/src/client/switch.rs", "only_a_clear_yes_to_recording_records"),
    ]),
    ("a user's no is undone by a configuration", &[
        ("tests/suite/consent.rs", "a_no_stops_three_servers_that_run_and_a_yes_brings_them_back"),
        ("tests/suite/consent.rs", "each_way_of_saying_no_and_yes"),
    ]),
    ("a client names somebody else's conversation", &[
        ("tests/suite/conversations.rs", "two_principals_who_say_the_same_are_two_sessions"),
        ("tests/suite/conversations.rs", "a_resolver_comes_before_what_a_client_says"),
    ]),
    ("a conversation, a subject or a principal is readable", &[
        ("tests/suite/conversations.rs", "each_clients_conversation_is_one_session_with_nothing_injected"),
    ]),
    ("a token of the timeline leaks", &[
        ("mcpcat-timeline/tests/tokens.rs", "an_ingest_token_writes_its_project_reads_nothing_and_can_be_revoked"),
    ]),
    ("a sender floods the timeline", &[
        ("mcpcat-timeline/tests/tokens.rs", "a_quota_answers_429_with_the_time_to_wait_and_others_go_on"),
        ("mcpcat-timeline/tests/fairness.rs", "a_project_that_floods_removes_its_own_events_and_the_other_keeps_all"),
    ]),
    ("what somebody asked the timeline to forget", &[
        ("mcpcat-timeline/tests/forgotten.rs", "dead_letters_and_spools_of_sdks_bring_nothing_back"),
        ("mcpcat-timeline/tests/forgotten.rs", "an_import_of_what_was_forgotten_is_dropped_and_counted"),
    ]),
    ("the endpoint is slow, down or lying", &[
        ("mcpcat-runtime/tests/delivery/answers.rs", "an_outage_of_every_kind_loses_and_repeats_nothing_that_was_taken"),
        ("mcpcat-runtime/tests/delivery/kept.rs", "new_events_are_refused_when_full_and_somebody_is_told_once"),
    ]),
];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_row_of_the_table_of_threats_has_a_test_that_exists() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let table =
        text.split("## Threats and answers").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|threat| *threat != "threat" && !threat.starts_with("---"))
        .collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in &rows {
        assert!(ROWS.iter().any(|(threat, _)| row.starts_with(threat)), "no test for the row `{row}`");
    }
    for (threat, tests) in ROWS {
        assert!(rows.iter().any(|row| row.starts_with(threat)), "no row `{threat}`");
        assert!(!tests.is_empty(), "{threat}");
        for (file, name) in *tests {
            let source =
                fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(source.contains(&format!("fn {name}(")), "`{threat}`: {file} has no `{name}`");
        }
    }
}
