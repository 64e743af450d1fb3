//! vestibule: the room between the street and an app that has no sign-in of its own.
//!
//! # The map
//!
//! The way of a request, top to bottom:
//!
//! | room | the question it answers |
//! |---|---|
//! | [`server`] | sockets: who may connect, on which thread, until when |
//! | [`gate`] | the request path: facts → route → visitor → decision → answer |
//! | [`authenticate`] | who is asking: credentials, verified tokens, refresh |
//! | [`policy`] | may they pass: routes, rules, [`policy::decide()`] (pure) |
//! | [`proxy`] | carry it on: headers, identity, connection pool, tunnels |
//!
//! What vestibule answers itself:
//!
//! | room | the question it answers |
//! |---|---|
//! | [`endpoints`] | sign in, refresh, sign out, account, sessions, password, kept forms, public keys: one file each |
//! | [`pages`] | what people see, in their language |
//! | [`admin`] | is the process alive, is it ready, how does it fare; users, sessions and keys for operators |
//! | [`login`] | proving who you are, opening a session, changing a password, forms that wait for a sign-in |
//!
//! What it knows:
//!
//! | room | the question it answers |
//! |---|---|
//! | [`request`] | what a request says: host, path in all its readings, client, kind of caller, language (pure) |
//! | [`identity`] | users, visitors, names, secrets, password hashes (pure) |
//! | [`session`] | the session, [`session::judge()`], tokens, keys, revocations (pure) |
//! | [`store`] | where users, keys and sessions live: SQLite or memory |
//!
//! Around them: [`config`] reads `config.toml`, [`observe`] writes logs, counts and sends traces,
//! [`cli`] is the command line, [`gateway`] is the only wiring, [`priority`] lets the threads that carry
//! requests go first, and [`reply`], [`clock`] and [`random`] are what they say.
//!
//! A room uses only rooms to its left; `tests/architecture.rs` holds this line:
//!
//! `clock priority random reply request · identity · policy session · config · pages observe · store ·
//! login authenticate proxy · gateway · endpoints admin · gate · server · cli`

pub mod admin;
pub mod authenticate;
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoints;
pub mod gate;
pub mod gateway;
pub mod identity;
pub mod login;
pub mod observe;
pub mod pages;
pub mod policy;
pub mod priority;
pub mod proxy;
pub mod random;
pub mod reply;
pub mod request;
pub mod server;
pub mod session;
pub mod store;
