//! The same metrics as scrapers from before OpenMetrics read them: the text format 0.0.4.

/// Rewrites what OpenMetrics writes: there, a counter's `_total` and an info's `_info` belong to the
/// sample alone; here, to the name of the metric. Units and the mark of the end do not exist.
pub fn classic(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            push(&mut out, &[line]);
            continue;
        };
        if let Some(rest) = comment.strip_prefix("HELP ") {
            help = rest.split_once(' ').map(|(_, text)| text);
        } else if let Some(rest) = comment.strip_prefix("TYPE ")
            && let Some((name, kind)) = rest.split_once(' ')
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(help) = help.take() {
                push(&mut out, &["# HELP ", name, suffix, " ", help]);
            }
            push(&mut out, &["# TYPE ", name, suffix, " ", kind]);
        }
    }
    out
}

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_the_older_format() {
        for (open, expected) in [
            (
                "# HELP a_requests Requests so far.\n# TYPE a_requests counter\na_requests_total{x=\"# TYPE\"} 1\n# EOF\n",
                "# HELP a_requests_total Requests so far.\n# TYPE a_requests_total counter\na_requests_total{x=\"# TYPE\"} 1\n",
            ),
            (
                "# HELP a_build Build.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n",
                "# HELP a_build_info Build.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n",
            ),
            (
                "# HELP a_seconds S.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\na_seconds_sum 0.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n",
                "# HELP a_seconds S.\n# TYPE a_seconds histogram\na_seconds_sum 0.5\na_seconds_count 1\na_seconds_bucket{le=\"+Inf\"} 1\n",
            ),
            (
                "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b unknown\nb 2\n",
                "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b untyped\nb 2\n",
            ),
            ("# EOF\n", ""),
        ] {
            assert_eq!(classic(open), expected, "{open}");
        }
    }
}
