//! What of a new configuration can a running gateway take over, and what waits for a restart?

use serde::Serialize;

use super::{Config, Limits, ObserveSettings, ServerSettings, TlsSettings};

/// How a new configuration differs from the running one, as names of options and sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// What takes effect with the next request or connection.
    pub applied: Vec<&'static str>,
    /// What stays as it was until the process is started again.
    pub awaiting_restart: Vec<&'static str>,
}

impl Config {
    /// The configuration that a gateway running with this one goes on with when it is given `new`:
    /// `new`, but for what is settled when the process starts.
    pub fn take_over(&self, mut new: Self) -> (Self, Changes) {
        let mut changes = Changes::default();
        let Self {
            profile,
            server,
            routes,
            storage,
            tokens,
            keys,
            sessions,
            staleness,
            login,
            passwords,
            hashing,
            cookies,
            csrf,
            allowed_origins,
            headers,
            pages,
            observe,
            warnings: _,
        } = self;
        changes.live("profile", profile, &new.profile);
        changes.server(server, &mut new.server);
        changes.live("routes", routes, &new.routes);
        changes.fixed("storage", storage, &mut new.storage);
        let tokens = (
            tokens,
            keys.algorithm,
            keys.rotate_every,
            keys.publish_ahead,
        );
        let new_keys = &new.keys;
        let new_tokens = (
            &new.tokens,
            new_keys.algorithm,
            new_keys.rotate_every,
            new_keys.publish_ahead,
        );
        changes.live("tokens", &tokens, &new_tokens);
        let sessions = (sessions, staleness);
        changes.live("sessions", &sessions, &(&new.sessions, &new.staleness));
        changes.live("login", login, &new.login);
        let passwords = (passwords, hashing);
        changes.live("passwords", &passwords, &(&new.passwords, &new.hashing));
        changes.live("cookies", cookies, &new.cookies);
        changes.live("csrf", csrf, &new.csrf);
        changes.live("cors", allowed_origins, &new.allowed_origins);
        changes.live("headers", headers, &new.headers);
        changes.live("pages", pages, &new.pages);
        changes.observe(observe, &mut new.observe);
        (new, changes)
    }
}

impl Changes {
    fn server(&mut self, old: &ServerSettings, new: &mut ServerSettings) {
        let ServerSettings {
            listen,
            tls,
            hsts,
            redirect_listen,
            socket_mode,
            public_urls,
            admin,
            admin_listen,
            prefix,
            trusted_proxies,
            threads,
            drain,
            limits,
        } = old;
        self.fixed("server.listen", listen, &mut new.listen);
        self.tls(tls.as_ref(), &mut new.tls);
        self.live("server.hsts", hsts, &new.hsts);
        self.fixed(
            "server.redirect_listen",
            redirect_listen,
            &mut new.redirect_listen,
        );
        self.fixed("server.socket_mode", socket_mode, &mut new.socket_mode);
        self.live("server.public_url", public_urls, &new.public_urls);
        self.fixed("server.admin_listen", admin_listen, &mut new.admin_listen);
        self.live(
            "server.admin_token_file",
            &admin.token_file,
            &new.admin.token_file,
        );
        self.live("server.admin_hosts", &admin.hosts, &new.admin.hosts);
        self.live("server.prefix", prefix, &new.prefix);
        self.live(
            "server.trusted_proxies",
            trusted_proxies,
            &new.trusted_proxies,
        );
        self.fixed("server.threads", threads, &mut new.threads);
        self.live("server.drain", drain, &new.drain);
        self.limits(*limits, &mut new.limits);
    }

    /// Listeners keep their kind: other files may be named, but not whether there are any.
    fn tls(&mut self, old: Option<&TlsSettings>, new: &mut Option<TlsSettings>) {
        if old == new.as_ref() {
            return;
        }
        if old.is_some() && new.is_some() {
            self.applied.push("server.tls");
        } else {
            *new = old.cloned();
            self.awaiting_restart.push("server.tls");
        }
    }

    fn limits(&mut self, old: Limits, new: &mut Limits) {
        let connections = "server.limits.connections";
        self.fixed(connections, &old.connections, &mut new.connections);
        self.live("server.limits", &old, new);
    }

    fn observe(&mut self, old: &ObserveSettings, new: &mut ObserveSettings) {
        let ObserveSettings {
            log_format,
            log_level,
            access_log,
            audit_log,
            traces,
        } = old;
        self.fixed("observe.log_format", log_format, &mut new.log_format);
        self.live("observe.log_level", log_level, &new.log_level);
        self.live("observe.access_log", access_log, &new.access_log);
        self.live("observe.audit_log", audit_log, &new.audit_log);
        self.live("observe.traces", traces, &new.traces);
    }

    fn live<T: PartialEq>(&mut self, option: &'static str, old: &T, new: &T) {
        if old != new {
            self.applied.push(option);
        }
    }

    fn fixed<T: PartialEq + Clone>(&mut self, option: &'static str, old: &T, new: &mut T) {
        if old != new {
            new.clone_from(old);
            self.awaiting_restart.push(option);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::parse;

    const ROUTE: &str = "[[routes]]\nupstream = 'http://127.0.0.1:3000'\n";
    const TLS: &str = "public_url = 'https://a.example'\nlisten = 'https://127.0.0.1:443'\ntls = { cert = 'a', key = 'b' }";

    fn config(server: &str, rest: &str) -> Config {
        let text = format!("[server]\n{server}\n{ROUTE}{rest}");
        parse(&text, Path::new("/etc/v")).unwrap()
    }

    fn changes(server: &str, rest: &str) -> Changes {
        let old = config("", "");
        let (taken, changes) = old.take_over(config(server, rest));
        let (_, again) = taken.take_over(config(server, rest));
        assert_eq!(again.applied, Vec::<&str>::new(), "{server}{rest}");
        assert_eq!(again.awaiting_restart, changes.awaiting_restart);
        changes
    }

    #[test]
    fn nothing_has_changed_where_nothing_was_changed() {
        assert_eq!(changes("", ""), Changes::default());
    }

    #[test]
    fn what_can_change_while_requests_run_is_applied() {
        for (server, rest, names) in [
            ("hsts = ''", "", vec!["server.hsts"]),
            (
                "public_url = 'https://a.example'",
                "",
                vec!["server.public_url", "tokens", "passwords"],
            ),
            (
                "admin_token_file = 'x'\nadmin_hosts = ['v']",
                "",
                vec!["server.admin_token_file", "server.admin_hosts"],
            ),
            ("prefix = '/auth'", "", vec!["server.prefix"]),
            (
                "trusted_proxies = ['10.0.0.1']",
                "",
                vec!["server.trusted_proxies"],
            ),
            ("drain = '1s'", "", vec!["server.drain"]),
            ("limits.head_bytes = '16KiB'", "", vec!["server.limits"]),
            ("", "allow = 'anyone'", vec!["routes"]),
            ("", "[tokens]\naccess_ttl = '1m'", vec!["tokens"]),
            ("", "[tokens]\nalgorithm = 'ES256'", vec!["tokens"]),
            ("", "[tokens]\nrotate_every = '90d'", vec!["tokens"]),
            ("", "[tokens]\npublish_ahead = '1h'", vec!["tokens"]),
            ("", "[sessions]\nabsolute_ttl = '20d'", vec!["sessions"]),
            ("", "[sessions]\non_stale = 'accept'", vec!["sessions"]),
            ("", "[pages]\nname = 'Ada'", vec!["pages"]),
            ("", "[sessions]\nmax_per_user = 3", vec!["sessions"]),
            ("", "[login]\nfree_failures = 3", vec!["login"]),
            ("", "[passwords]\nmin_length = 15", vec!["passwords"]),
            ("", "[passwords]\nargon2_passes = 3", vec!["passwords"]),
            ("", "[passwords]\ntemporary_ttl = '1h'", vec!["passwords"]),
            ("", "max_auth_age = '1m'", vec!["routes"]),
            ("", "[csrf]\nmode = 'both'", vec!["csrf"]),
            ("", "[headers]\nforwarded = true", vec!["headers"]),
            (
                "",
                "[observe]\nlog_level = 'debug'",
                vec!["observe.log_level"],
            ),
            (
                "",
                "[observe]\naccess_log.to = 'off'\naudit_log.to = 'a.log'",
                vec!["observe.access_log", "observe.audit_log"],
            ),
            (
                "",
                "[observe.traces]\notlp_endpoint = 'http://127.0.0.1:4318'",
                vec!["observe.traces"],
            ),
        ] {
            let changes = changes(server, rest);
            assert_eq!(changes.applied, names, "{server}{rest}");
            assert_eq!(changes.awaiting_restart, Vec::<&str>::new());
        }
    }

    #[test]
    fn who_may_read_from_elsewhere_changes_without_a_restart() {
        let changes = changes("", "[cors]\nallowed_origins = ['https://b.example']");
        assert_eq!(changes.applied, ["cors"]);
        assert_eq!(changes.awaiting_restart, Vec::<&str>::new());
    }

    #[test]
    fn cookies_are_shared_from_the_next_sign_in() {
        let server = "public_url = 'https://a.b.example'";
        let old = config(server, "");
        let new = config(server, "[cookies]\ndomain = 'b.example'");
        let (taken, changes) = old.take_over(new);
        assert_eq!(changes.applied, ["cookies"]);
        assert_eq!(taken.cookies.domain.as_deref(), Some("b.example"));
    }

    #[test]
    fn a_pepper_is_put_in_without_a_restart() {
        let changes = changes("", "[passwords]\npepper = true");
        assert_eq!(changes.applied, ["passwords"]);
        assert_eq!(changes.awaiting_restart, Vec::<&str>::new());
    }

    #[test]
    fn a_profile_is_taken_over_with_what_it_brings() {
        let text = format!("profile = 'flask-jwt-extended'\n{ROUTE}");
        let new = parse(&text, Path::new("/etc/v")).unwrap();
        let (taken, changes) = config("", "").take_over(new.clone());
        assert_eq!(changes.applied, ["profile", "tokens", "sessions"]);
        assert_eq!(changes.awaiting_restart, Vec::<&str>::new());
        assert_eq!(taken.profile, new.profile);
    }

    #[test]
    fn what_is_settled_at_the_start_stays_and_is_named() {
        for (server, rest, name) in [
            ("listen = '127.0.0.1:1'", "", "server.listen"),
            (
                "redirect_listen = '127.0.0.1:1'\npublic_url = 'https://a.example'",
                "",
                "server.redirect_listen",
            ),
            ("socket_mode = '0600'", "", "server.socket_mode"),
            ("admin_listen = ''", "", "server.admin_listen"),
            ("threads = 77", "", "server.threads"),
            ("limits.connections = 7", "", "server.limits.connections"),
            ("", "[storage]\nurl = 'memory:'", "storage"),
            ("", "[observe]\nlog_format = 'text'", "observe.log_format"),
        ] {
            let old = config("", "");
            let (taken, changes) = old.take_over(config(server, rest));
            assert_eq!(changes.awaiting_restart, [name]);
            assert_eq!(taken.server.listen, old.server.listen);
            assert_eq!(taken.server.threads, old.server.threads);
            assert_eq!(
                taken.server.limits.connections,
                old.server.limits.connections
            );
            assert_eq!(taken.storage, old.storage);
        }
    }

    #[test]
    fn a_certificate_may_move_but_neither_come_nor_go() {
        let with = |files: &str| config(&TLS.replace("'a', key", files), "");
        let (taken, changes) = with("'a', key").take_over(with("'c', key"));
        assert_eq!(changes.applied, ["server.tls"]);
        assert_eq!(taken.server.tls.unwrap().cert, Path::new("/etc/v/c"));

        let plain = "public_url = 'https://a.example'";
        let (taken, changes) = config(TLS, "").take_over(config(plain, ""));
        assert_eq!(changes.awaiting_restart, ["server.listen", "server.tls"]);
        assert!(taken.server.tls.is_some());
        let (taken, changes) = config(plain, "").take_over(config(TLS, ""));
        assert_eq!(changes.awaiting_restart, ["server.listen", "server.tls"]);
        assert!(taken.server.tls.is_none());
    }
}
