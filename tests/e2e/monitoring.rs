//! Who watches a gateway: promtool, a real Prometheus, and every query of the dashboard and the alerts.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::metrics::lively;
use crate::support::{Prometheus, Scrape, Upstream, deploy, promtool, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn promtool_finds_nothing_to_say_after_all_kinds_of_traffic() {
    let upstream = Upstream::start();
    let gateway = lively(&upstream);
    let scrape = Scrape::of(&gateway);
    let told = promtool(&["check", "metrics"], &scrape.text);
    assert_eq!(
        (told.code, told.out.as_str(), told.err.as_str()),
        (Some(0), "", "")
    );
    for file in ["prometheus.yml", "prometheus-rules.yml"] {
        let what = if file.contains("rules") {
            "rules"
        } else {
            "config"
        };
        let path = deploy().join(file).display().to_string();
        promtool(&["check", what, &path], "").expect_success();
    }
}

/// All expressions of the dashboard: of its panels and of its variables.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let expressions = targets
        .flatten()
        .map(|target| target["expr"].as_str().expect("text"));
    expressions.map(with_values).collect()
}

/// What Grafana does before it asks.
fn with_values(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "1m")
        .replace("$job", ".*")
        .replace("$instance", ".*")
        .replace("$route", ".*")
}

/// The series selected by the variables: the first argument of `label_values`.
fn selections(dashboard: &Value) -> Vec<String> {
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    let queries = variables
        .iter()
        .filter_map(|variable| variable["definition"].as_str());
    let inner = queries.map(|query| {
        let inner = query
            .strip_prefix("label_values(")
            .expect("a list of values");
        inner.rsplit_once(", ").expect("a label").0
    });
    inner.map(with_values).collect()
}

/// The metrics that an expression names.
fn named(expression: &str) -> Vec<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = |word: &&str| word.starts_with("vestibule_") || word.starts_with("process_");
    words.filter(ours).collect()
}

#[test]
fn a_real_prometheus_scrapes_it_and_understands_every_query_of_dashboard_and_alerts() {
    let upstream = Upstream::start();
    let gateway = lively(&upstream);
    let prometheus = Prometheus::watching(&gateway);
    wait_until("the target to be up", PATIENCE, || {
        let targets = prometheus.get("/api/v1/targets").json();
        let target = &targets["data"]["activeTargets"][0];
        assert!(
            target["lastError"].as_str().unwrap_or_default().is_empty(),
            "{target}"
        );
        target["health"] == "up"
    });
    wait_until("two scrapes", PATIENCE, || {
        let scrapes = prometheus.query("count_over_time(up[1m])");
        scrapes
            .first()
            .is_some_and(|found| found["value"][1] != "1")
    });
    let text = fs::read_to_string(deploy().join("grafana-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut all = expressions(&dashboard);
    all.extend(selections(&dashboard));
    assert!(all.len() > 40, "{all:?}");
    let rules = prometheus.get("/api/v1/rules").json();
    let rules = rules["data"]["groups"][0]["rules"]
        .as_array()
        .expect("rules")
        .clone();
    assert!(rules.len() > 8, "{rules:?}");
    all.extend(
        rules
            .iter()
            .map(|rule| rule["query"].as_str().expect("text").to_owned()),
    );
    let scrape = Scrape::of(&gateway);
    let known = scrape.names();
    for expression in &all {
        prometheus.query(expression);
        for name in named(expression) {
            assert!(known.contains(&name), "{name} of {expression} is not there");
            assert!(!prometheus.query(name).is_empty(), "{name} was not scraped");
        }
    }
    // What is shown all the time shows something.
    for panel in dashboard["panels"].as_array().expect("panels") {
        if panel["type"] == "stat" {
            let expression = with_values(panel["targets"][0]["expr"].as_str().expect("text"));
            assert!(!prometheus.query(&expression).is_empty(), "{expression}");
        }
    }
}
