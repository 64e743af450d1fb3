//! Which trace is a request part of, what does the app learn of it, and what does a collector?

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Gateway, Program, Request, Setup, Upstream, sign_in, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const TRUSTING: &str = "trusted_proxies = [\"127.0.0.0/8\"]";

fn told_to(url: &str, sample: &str) -> String {
    format!("[observe.traces]\notlp_endpoint = \"{url}\"\nsample = {sample}\n")
}

fn in_front_of(upstream: &Upstream) -> Setup {
    Setup::new()
        .route("/", &upstream.url(), "anyone", "name = \"app\"")
        .route("/private", &upstream.url(), "signed-in", "")
        .section("[observe.access_log]\nto = \"access.log\"\n")
}

/// The spans of requests for this path, once there are `count`.
fn spans(collector: &Program, path: &str, count: usize) -> Vec<Value> {
    let mut spans = Vec::new();
    wait_until("the spans", PATIENCE, || {
        let is_of_path = |span: &Value| {
            let attributes = &span["attributes"];
            let url = attributes["url.full"].as_str().unwrap_or_default();
            attributes["url.path"] == path || url.ends_with(path)
        };
        spans = collector.spans().into_iter().filter(is_of_path).collect();
        spans.len() >= count
    });
    assert_eq!(spans.len(), count, "{spans:#?}");
    // The app's side ended first.
    spans.sort_by_key(|span| span["kind"] == "SPAN_KIND_CLIENT");
    spans
}

/// Trace, parent and flags, as the app received them.
fn received(upstream: &Upstream) -> (String, String, String) {
    let head = upstream.last().head;
    let [value] = head.all("traceparent")[..] else {
        panic!("not one traceparent: {head:?}");
    };
    let fields: Vec<&str> = value.split('-').collect();
    let [version, trace, parent, flags] = fields[..] else {
        panic!("not four fields: {value}");
    };
    assert_eq!(version, "00");
    (trace.to_owned(), parent.to_owned(), flags.to_owned())
}

fn ask(gateway: &Gateway, flags: &str) {
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    let answer = Request::get("/asked")
        .header("traceparent", &parent)
        .header("tracestate", "vendor=1")
        .send(gateway);
    assert_eq!(answer.status, 200);
}

#[test]
fn a_request_is_a_span_and_its_way_to_the_app_another() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let gateway = in_front_of(&upstream)
        .section(&told_to(&collector.url(), "1.0"))
        .start();
    let token = sign_in(&gateway, "ada").access;
    let answer = Request::get("/private/page?secret=1")
        .bearer(&token)
        .header("User-Agent", "tester")
        .send(&gateway);
    assert_eq!(answer.status, 200);
    let (trace, parent, flags) = received(&upstream);
    assert_eq!(flags, "01");
    assert_eq!(gateway.lines("access.log", 2)[1]["trace_id"], *trace);

    let spans = spans(&collector, "/private/page", 2);
    let (request, forward) = (&spans[0], &spans[1]);
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("http.route", json!("/private")),
        ("http.response.status_code", json!(200)),
        ("url.path", json!("/private/page")),
        ("url.scheme", json!("http")),
        ("server.address", json!("localhost")),
        ("client.address", json!("127.0.0.1")),
        ("network.protocol.version", json!("1.1")),
        ("user_agent.original", json!("tester")),
    ] {
        assert_eq!(request["attributes"][name], value, "{name} in {request:#}");
    }
    for (name, value) in [
        ("http.request.method", json!("GET")),
        ("http.response.status_code", json!(200)),
        ("server.address", json!("127.0.0.1")),
        ("server.port", json!(upstream.address().port())),
        ("url.full", json!(upstream.url() + "/private/page")),
    ] {
        assert_eq!(forward["attributes"][name], value, "{name} in {forward:#}");
    }
    assert_eq!(request["kind"], "SPAN_KIND_SERVER");
    assert_eq!(request["name"], "GET /private");
    assert_eq!(request["parent_span_id"], "");
    assert_eq!(forward["kind"], "SPAN_KIND_CLIENT");
    assert_eq!(forward["parent_span_id"], request["span_id"]);
    assert_eq!(forward["span_id"], *parent);
    for span in &spans {
        assert_eq!(span["trace_id"], *trace);
        assert_eq!(span["status"], "STATUS_CODE_UNSET");
        assert_eq!(span["resource"]["service.name"], "vestibule");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(span["resource"]["service.version"], version);
        assert!(!span.to_string().contains("secret"), "{span}");
        // Ids are hexadecimal and may well spell her name.
        for told in ["name", "attributes", "resource"] {
            assert!(!span[told].to_string().contains("ada"), "{span}");
        }
    }
    let at = |span: &Value, end: &str| span[end].as_u64().unwrap();
    assert!(at(request, "start") <= at(forward, "start"));
    assert!(at(forward, "start") < at(forward, "end"));
    assert!(at(forward, "end") <= at(request, "end"));
}

#[test]
fn only_a_trusted_proxys_trace_goes_on() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let traces = told_to(&collector.url(), "1.0");
    let proxied = in_front_of(&upstream)
        .server(TRUSTING)
        .section(&traces)
        .start();
    ask(&proxied, "01");
    let (trace, parent, flags) = received(&upstream);
    assert_eq!((&*trace, &*flags), (TRACE, "01"));
    assert_eq!(upstream.last().head.all("tracestate"), ["vendor=1"]);
    let ours = spans(&collector, "/asked", 2);
    assert_eq!(ours[0]["trace_id"], TRACE);
    assert_eq!(ours[0]["parent_span_id"], CALLER);
    assert_eq!(ours[1]["span_id"], *parent);

    // The proxy decided not to record: so do we, and the app is told.
    ask(&proxied, "00");
    let (trace, parent, flags) = received(&upstream);
    assert_eq!((&*trace, &*flags), (TRACE, "00"));
    assert_ne!(parent, CALLER);
    assert_eq!(upstream.last().head.all("tracestate"), ["vendor=1"]);
    assert_eq!(proxied.lines("access.log", 2)[1]["trace_id"], TRACE);

    // What cannot be read begins anew.
    for value in [
        "",
        "00-nonsense",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        Request::get("/")
            .header("traceparent", value)
            .header("tracestate", "vendor=1")
            .send(&proxied);
        let (trace, ..) = received(&upstream);
        assert_ne!(trace, TRACE);
        assert!(upstream.last().head.all("tracestate").is_empty());
    }

    let direct = in_front_of(&upstream).section(&traces).start();
    ask(&direct, "00");
    let (trace, parent, flags) = received(&upstream);
    assert!(trace != TRACE && parent != CALLER && flags == "01");
    assert!(upstream.last().head.all("tracestate").is_empty());
    // Two of the proxy's first request, two of the stranger's: none of the one not recorded.
    let all = spans(&collector, "/asked", 4);
    let traces: BTreeSet<&str> = all.iter().filter_map(|s| s["trace_id"].as_str()).collect();
    assert_eq!(traces, BTreeSet::from([TRACE, &*trace]));
}

#[test]
fn without_the_option_traces_pass_untouched() {
    let upstream = Upstream::start();
    let gateway = in_front_of(&upstream).start();
    ask(&gateway, "01");
    let (trace, parent, flags) = received(&upstream);
    assert_eq!((&*trace, &*parent, &*flags), (TRACE, CALLER, "01"));
    assert_eq!(upstream.last().head.all("tracestate"), ["vendor=1"]);
    assert!(gateway.lines("access.log", 1)[0].get("trace_id").is_none());
    Request::get("/").send(&gateway);
    assert!(upstream.last().head.all("traceparent").is_empty());
}

#[test]
fn what_is_not_sampled_is_passed_on_and_not_sent() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let mut gateway = in_front_of(&upstream)
        .section(&told_to(&collector.url(), "0"))
        .start();
    Request::get("/asked").send(&gateway);
    let (trace, _, flags) = received(&upstream);
    assert_eq!(flags, "00");
    assert_eq!(gateway.lines("access.log", 1)[0]["trace_id"], *trace);
    gateway.terminate();
    assert!(gateway.wait_for_exit(PATIENCE).success());
    assert_eq!(collector.spans(), Vec::<Value>::new());
}

#[test]
fn our_own_answers_and_failures_are_spans_and_all_are_sent_before_the_end() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let mut gateway = in_front_of(&upstream)
        .route("/down", "http://127.0.0.1:9", "anyone", "")
        .route("/socket", "unix:/nowhere/app.sock", "anyone", "")
        .section(&told_to(&collector.url(), "1"))
        .start();
    for request in [
        Request::get("/vestibule/login?return_to=/hidden"),
        Request::get("/private?hidden=1"),
        Request::new("BREW", "/brewed"),
        Request::get("/%zz"),
        Request::get("/down"),
        Request::get("/socket"),
    ] {
        request.send(&gateway);
    }
    // All at once: the batch that gathers is sent by the stop.
    gateway.terminate();
    assert!(gateway.wait_for_exit(PATIENCE).success());
    let all = collector.spans();
    assert!(!json!(all).to_string().contains("hidden"), "{all:#?}");
    assert_eq!(all.len(), 6 + 3, "{all:#?}");
    for (path, name, code, status) in [
        ("/vestibule/login", "GET", 200, "STATUS_CODE_UNSET"),
        ("/private", "GET /private", 401, "STATUS_CODE_UNSET"),
        ("/brewed", "HTTP app", 200, "STATUS_CODE_UNSET"),
        ("/%zz", "GET", 400, "STATUS_CODE_UNSET"),
        ("/down", "GET /down", 502, "STATUS_CODE_ERROR"),
        ("/socket", "GET /socket", 502, "STATUS_CODE_ERROR"),
    ] {
        let is_it = |span: &&Value| span["attributes"]["url.path"] == path;
        let span = all.iter().find(is_it).unwrap_or_else(|| panic!("{path}"));
        let attributes = &span["attributes"];
        assert_eq!(span["name"], name, "{path}");
        assert_eq!(attributes["http.response.status_code"], code, "{path}");
        assert_eq!(span["status"], status, "{path}");
        let failed = (code >= 500).then(|| code.to_string());
        assert_eq!(attributes["error.type"].as_str(), failed.as_deref());
        let way = all.iter().find(|s| s["parent_span_id"] == span["span_id"]);
        assert_eq!(
            way.is_some(),
            matches!(path, "/brewed" | "/down" | "/socket")
        );
        if failed.is_some() {
            let way = way.expect("it was tried");
            assert_eq!(way["attributes"]["error.type"], "unreachable");
            assert_eq!(way["status"], "STATUS_CODE_ERROR");
        }
    }
    let brewed = all.iter().find(|span| span["name"] == "HTTP app").unwrap();
    let attributes = &brewed["attributes"];
    assert_eq!(attributes["http.request.method"], "_OTHER");
    assert_eq!(attributes["http.request.method_original"], "BREW");
}

#[test]
fn a_caller_who_left_leaves_whole_spans() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let gateway = in_front_of(&upstream)
        .section(&told_to(&collector.url(), "1"))
        .start();
    let mut connection = gateway.connect();
    connection.send(Request::get("/slow").to_bytes());
    upstream.wait_for(1);
    drop(connection);
    let (_, parent, _) = received(&upstream);
    let spans = spans(&collector, "/slow", 2);
    assert_eq!(spans[1]["span_id"], *parent);
    assert_eq!(spans[1]["attributes"]["error.type"], "cancelled");
    let code = &spans[0]["attributes"]["http.response.status_code"];
    assert!(code.is_null(), "{code}");
    upstream.go_on();
}

#[test]
fn a_collector_that_is_down_costs_nothing_and_is_told_once() {
    let upstream = Upstream::start();
    let mut gateway = in_front_of(&upstream)
        .section(&told_to("http://127.0.0.1:9", "1"))
        .start();
    let complaint = "spans could not be sent to the collector";
    let send = |count: usize| {
        for _ in 0..count {
            assert_eq!(Request::get("/").send(&gateway).status, 200);
        }
    };
    send(5);
    wait_until("the complaint", PATIENCE, || {
        gateway.log().contains(complaint)
    });
    assert!(gateway.log().contains("Connection refused"));
    send(5);
    let begin = Instant::now();
    gateway.terminate();
    assert!(gateway.wait_for_exit(PATIENCE).success());
    assert!(begin.elapsed() < Duration::from_secs(10));
    let log = gateway.log();
    assert_eq!(log.matches(complaint).count(), 1, "{log}");
    let lost = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["lost"].as_u64()
    });
    assert_eq!(lost.sum::<u64>(), 2 * 10, "{log}");
}

#[test]
fn a_collector_that_never_answers_delays_neither_requests_nor_the_end() {
    let upstream = Upstream::start();
    let collector = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", collector.local_addr().unwrap());
    let mut gateway = in_front_of(&upstream).section(&told_to(&url, "1")).start();
    Request::get("/").send(&gateway);
    let (_silent, _) = collector.accept().unwrap();
    assert_eq!(Request::get("/").send(&gateway).status, 200);
    let begin = Instant::now();
    gateway.terminate();
    assert!(gateway.wait_for_exit(PATIENCE).success());
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn the_environment_names_the_service_and_opens_the_collector() {
    let upstream = Upstream::start();
    let collector = Program::otlp_receiver();
    let gateway = in_front_of(&upstream)
        .section("[observe]\nlog_level = \"trace\"\n")
        .environment("OTEL_SERVICE_NAME", "front")
        .environment(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        )
        .environment("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=hunter2")
        .section(&told_to(&collector.url(), "1"))
        .start();
    Request::get("/asked").send(&gateway);
    for span in spans(&collector, "/asked", 2) {
        let resource = &span["resource"];
        assert_eq!(resource["service.name"], "front");
        assert_eq!(resource["deployment.environment.name"], "test");
        assert_eq!(span["key"], "hunter2");
    }
    assert!(!gateway.log().contains("hunter2"));
}
