//! The whole gateway from outside: the real binary over real sockets, a file per capability.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test fails by panicking, and one binary shares its support by pub"
)]

mod account;
mod account_forms;
mod admin_api;
mod admin_token;
mod ambiguity;
mod app_cookies;
mod app_sessions;
mod apparatus;
mod attacks;
mod bad_input;
mod browser_pages;
mod browsing;
mod browsing_forms;
mod callers;
mod coming_back;
mod commands;
mod cookies;
mod cors;
mod crashes;
mod credential_forms;
mod csrf;
mod database_secrets;
mod double_submit;
mod drain;
mod expiry;
mod explaining;
mod failures;
mod flask_beside;
mod flask_profile;
mod foreign_keys;
mod forged_headers;
mod forged_tokens;
mod guessing;
mod held_forms;
mod identity_headers;
mod import_changes;
mod importing;
mod keys;
mod late_yes;
mod log_secrets;
mod logrotate;
mod logs;
mod long_connections;
mod lost_cookies;
mod manual;
mod metrics;
mod monitoring;
mod new_keys;
mod not_renewing;
mod old_hashes;
mod own_headers;
mod pages;
mod password_rules;
mod passwords;
mod paths;
mod pepper;
mod priorities;
mod probing;
mod proxying;
mod reauthentication;
mod refreshing;
mod refused_settings;
mod reloading;
mod remembering;
mod renewing;
mod renewing_in_time;
mod replays;
mod restart;
mod revocation;
mod session_commands;
mod session_limits;
mod sessions;
mod shared_sign_in;
mod signing_in;
mod slow_forms;
mod streaming;
mod support;
mod systemd;
mod terminal;
mod third_party;
mod tls;
mod tokens;
mod traces;
mod tunnel_ends;
mod unix_sockets;
mod walkthrough;
mod websocket;
mod who_am_i;
