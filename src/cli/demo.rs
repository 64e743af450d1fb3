//! `vestibule demo`: a gateway in front of a small built-in app, with nothing to configure.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::demo_app;
use crate::cli::output;
use crate::cli::serve::wait_and_stop;
use crate::clock::SteadyClock;
use crate::config::{self, Config};
use crate::identity::{
    DisplayName, Email, GroupName, PasswordHash, PasswordTerm, Secret, UserId, UserName,
};
use crate::random;
use crate::server::{self, Running};
use crate::store::{AddUser, NewUser};

/// The port that is tried first, so that the address is easy to type.
const USUAL_PORT: u16 = 8080;
const USER: &str = "ada";

/// Runs until Ctrl-C. Everything it made is gone afterwards.
pub(super) fn run() -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("vestibule-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let app = demo_app::start().context("cannot start the built-in app")?;
    let port = free_port()?;
    let config = configure(folder.path(), port, app)?;
    let server = server::start(config, Arc::new(SteadyClock::new()), None)?;
    let password = random::password(0);
    add_user(&server, &password)?;
    if port != USUAL_PORT {
        output::print(&format!(
            "\n  Port {USUAL_PORT} is taken: this is another.\n"
        ))?;
    }
    output::print(&invitation(port, &password))?;
    wait_and_stop(server)
}

fn free_port() -> anyhow::Result<u16> {
    let usual = TcpListener::bind(("127.0.0.1", USUAL_PORT));
    let socket = usual
        .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        .context("no port is free on 127.0.0.1")?;
    Ok(socket.local_addr()?.port())
}

fn configure(folder: &Path, port: u16, app: SocketAddr) -> anyhow::Result<Config> {
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:{port}"
        public_url = "http://localhost:{port}"
        admin_listen = ""

        [[routes]]
        upstream = "http://{app}"

        [storage]
        url = "sqlite:demo.db"

        [observe]
        access_log.to = "off"
        audit_log.to = "off"
        "#
    );
    config::parse(&text, folder).context("the demo's configuration")
}

fn add_user(server: &Running, password: &str) -> anyhow::Result<()> {
    let user = NewUser {
        id: UserId::from_bytes(random::bytes()),
        name: UserName::parse(USER)?,
        display_name: Some(DisplayName::parse("Ada Lovelace")?),
        email: Some(Email::parse("ada@example.com")?),
        groups: vec![GroupName::parse("engineers")?],
        password: PasswordHash::of(
            &Secret::new(password.to_owned()),
            server.gateway().login.policy(),
            &random::bytes(),
        ),
        password_term: PasswordTerm::Lasting,
    };
    match server.block_on(server.gateway().directory.add_user(user))? {
        AddUser::Added(_) => Ok(()),
        AddUser::NameTaken | AddUser::EmailTaken => anyhow::bail!("the demo's user exists already"),
    }
}

fn invitation(port: u16, password: &str) -> String {
    let address = format!("http://localhost:{port}");
    format!(
        r#"
  A gateway stands in front of a small app that shows what it received.

    address    {address}
    name       {USER}
    password   {password}

  Open the address in a browser ({address}/vestibule/logout signs out), or try:

    # a stranger is turned away
    curl -i {address}/

    # sign in and keep the access token
    TOKEN=$(curl -s {address}/vestibule/login -H 'Content-Type: application/json' -d '{{"username": "{USER}", "password": "{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

    # the app learns who is asking
    curl {address}/ -H "Authorization: Bearer $TOKEN"

  Ctrl-C ends it and leaves nothing behind.

"#
    )
}
