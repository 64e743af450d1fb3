//! What the tests stand on: real gateways, real upstreams, a client that sends exactly what it is told.

mod browser;
mod client;
mod command;
mod forger;
mod gateway;
mod jar;
mod message;
mod navigator;
mod programs;
mod prometheus;
mod secrets;
mod sign_in;
mod upstream;
mod wait;

pub use browser::{Browser, Tab};
pub use client::{Answer, Connection, Request};
pub use command::{
    Finished, curl, htpasswd, logrotate, make_users, pyjwt, schemathesis, signal, vestibule,
};
pub use forger::{BareKey, Forger, bare_keys, part, public_key_of};
pub use gateway::{Gateway, PASSWORD, Setup};
pub use jar::Jar;
pub use message::{Head, PATTERN_LENGTH, pattern};
pub use navigator::Navigator;
pub use programs::{Hold, Program, free_address};
pub use prometheus::{Prometheus, Scrape, ask_admin, deploy, promtool};
pub use secrets::{Secrets, find};
pub use sign_in::{Tokens, browser_sign_in, cookies_of, refresh, sign_in, spoiled};
pub use upstream::Upstream;
pub use wait::wait_until;
