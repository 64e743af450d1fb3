//! Does the app see what it should?

use http::HeaderValue;

use super::{
    Bench, NONE, ada, get, ok, on_a_data_thread, read_head, read_to, template, values, write,
};
use crate::policy::Rule;
use crate::request::TrustedProxies;

#[tokio::test]
async fn the_target_arrives_byte_for_byte() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        for target in [
            "/",
            "/?",
            "/a%2Fb%2fc?x=%zz&y=[1]",
            "//double//slash/",
            "/@scope%2fname",
            "/a/./b;v=1",
            "/?a=b?c=/../d",
            "/~user/'\"{}|",
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: app\r\n\r\n");
            let head = bench.received(&request).await;
            assert!(
                head.starts_with(&format!("GET {target} HTTP/1.1\r\n")),
                "{head}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_absolute_target_loses_its_origin() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let request = "GET http://app/a?b HTTP/1.1\r\nHost: app\r\n\r\n";
        let head = bench.received(request).await;
        assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
        assert_eq!(values(&head, "host"), ["app"]);
    })
    .await;
}

#[tokio::test]
async fn host_is_as_it_came_unless_the_route_says_otherwise() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        let request = "GET / HTTP/1.1\r\nHost: Notes.Example:80\r\n\r\n";
        let head = bench.received(request).await;
        assert_eq!(values(&head, "host"), ["Notes.Example:80"]);
        bench.route.host_header = Some(HeaderValue::from_static("inner"));
        let head = bench.received(request).await;
        assert_eq!(values(&head, "host"), ["inner"]);
        assert_eq!(values(&head, "x-forwarded-host"), ["Notes.Example:80"]);
    })
    .await;
}

#[tokio::test]
async fn a_request_of_http_1_0_gets_what_http_1_1_needs() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let head = bench.received("GET / HTTP/1.0\r\n\r\n").await;
        assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
        let app = bench.route.upstream.address.authority();
        assert_eq!(values(&head, "host"), [app.as_str()]);
    })
    .await;
}

#[tokio::test]
async fn the_app_learns_who_is_asking_from_us_alone() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.visitor = ada();
        bench.route.headers = vec![template("x-app-user", "{user.name}")];
        let head = bench
            .received(&get(
                "X-Forwarded-User: eve\r\nX_Forwarded_User: eve\r\nX-App.User: eve\r\n\
                 X-Vestibule-Assertion: eve\r\nRemote-User: eve\r\nX-Forwarded-Groups: eve\r\n",
            ))
            .await;
        for (name, value) in [
            ("x-forwarded-user", "ada"),
            ("x-forwarded-preferred-username", "ada"),
            ("x-forwarded-email", "ada@example.com"),
            ("x-forwarded-name", "Ada Lovelace"),
            ("x-forwarded-groups", "dev,ops"),
            ("x-app-user", "ada"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "app"),
        ] {
            assert_eq!(values(&head, name), [value], "{name}");
        }
        let [assertion] = values(&head, "x-vestibule-assertion")[..] else {
            panic!("{head}");
        };
        assert_eq!(assertion.split('.').count(), 3);
        assert!(!head.contains("eve"), "{head}");
    })
    .await;
}

#[tokio::test]
async fn the_app_of_a_public_route_learns_nothing() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.visitor = ada();
        bench.route.route.rule = Rule::Anyone;
        let head = bench.received(&get("X-Forwarded-User: eve\r\n")).await;
        assert_eq!(values(&head, "x-forwarded-user"), NONE);
        assert_eq!(values(&head, "x-vestibule-assertion"), NONE);
    })
    .await;
}

#[tokio::test]
async fn identity_and_assertion_can_be_switched_off() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.visitor = ada();
        bench.settings.identity = false;
        bench.settings.assertion = false;
        let head = bench.received(&get("")).await;
        assert!(!head.contains("ada"), "{head}");
        assert_eq!(values(&head, "x-vestibule-assertion"), NONE);
    })
    .await;
}

#[tokio::test]
async fn an_assertion_is_used_again() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.visitor = ada();
        let mut visitor = bench.visitor();
        let mut seen = Vec::new();
        for _ in 0..2 {
            write(&mut visitor, &get("")).await;
            let mut app = bench.accept().await;
            let head = read_head(&mut app).await;
            seen.push(values(&head, "x-vestibule-assertion").concat());
            write(&mut app, &ok("Connection: close\r\n")).await;
            read_head(&mut visitor).await;
        }
        assert_eq!(seen[0], seen[1]);
    })
    .await;
}

#[tokio::test]
async fn only_a_trusted_proxys_chain_is_continued() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.settings.forwarded = true;
        let request = get(
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.1\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: outer.example\r\nForwarded: for=203.0.113.9\r\n",
        );
        let head = bench.received(&request).await;
        assert_eq!(values(&head, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&head, "x-forwarded-host"), ["app"]);
        assert_eq!(
            values(&head, "forwarded"),
            ["for=192.0.2.7;host=\"app\";proto=http"]
        );
        bench.trusted = TrustedProxies::new(vec!["192.0.2.0/24".parse().unwrap()]);
        let head = bench.received(&request).await;
        for (name, value) in [
            (
                "x-forwarded-for",
                "203.0.113.9, 198.51.100.1, 192.0.2.7",
            ),
            ("x-real-ip", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "outer.example"),
            (
                "forwarded",
                "for=203.0.113.9, for=192.0.2.7;host=\"outer.example\";proto=https",
            ),
        ] {
            assert_eq!(values(&head, name), [value], "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn our_credentials_stay_here_and_foreign_ones_pass() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        let request = get(
            "Cookie: a=1; vestibule_access=x; b=2\r\nAuthorization: Basic YTpi\r\nExpect: 100-continue\r\n",
        );
        let head = bench.received(&request).await;
        assert_eq!(values(&head, "cookie"), ["a=1; b=2"]);
        assert_eq!(values(&head, "authorization"), ["Basic YTpi"]);
        assert_eq!(values(&head, "expect"), NONE);
        bench.strip_authorization = true;
        let head = bench.received(&request).await;
        assert_eq!(values(&head, "authorization"), NONE);
    })
    .await;
}

#[tokio::test]
async fn a_request_without_body_gains_no_framing() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        for method in ["GET", "DELETE", "POST", "OPTIONS"] {
            let head = bench
                .received(&format!("{method} / HTTP/1.1\r\nHost: app\r\n\r\n"))
                .await;
            assert_eq!(values(&head, "content-length"), NONE, "{method}");
            assert_eq!(values(&head, "transfer-encoding"), NONE, "{method}");
        }
        bench.without_body = true;
        let head = bench
            .received("OPTIONS / HTTP/1.1\r\nHost: app\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\nhi")
            .await;
        assert_eq!(values(&head, "content-length"), NONE);
        assert_eq!(values(&head, "content-type"), NONE);
    })
    .await;
}

#[tokio::test]
async fn a_get_keeps_its_body() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, &get("Transfer-Encoding: chunked\r\n")).await;
        write(&mut visitor, "2\r\nhi\r\n0\r\n\r\n").await;
        let mut app = bench.accept().await;
        let head = read_head(&mut app).await;
        assert_eq!(values(&head, "transfer-encoding"), ["chunked"]);
        assert_eq!(read_to(&mut app, "0\r\n\r\n").await, "2\r\nhi\r\n0\r\n\r\n");
    })
    .await;
}

#[tokio::test]
async fn trailers_pass_both_ways_but_for_reserved_names() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "POST / HTTP/1.1\r\nHost: app\r\nTE: gzip, trailers\r\nTransfer-Encoding: chunked\r\n\
             Trailer: x-sum, x-forwarded-user\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Sum: 7\r\nX-Forwarded-User: eve\r\n\r\n",
        )
        .await;
        let mut app = bench.accept().await;
        let head = read_head(&mut app).await;
        assert_eq!(values(&head, "te"), ["trailers"]);
        assert_eq!(values(&head, "connection"), ["te"]);
        assert_eq!(
            read_to(&mut app, "\r\n\r\n").await,
            "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
        );
        write(
            &mut app,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, connection\r\n\r\n\
             2\r\nok\r\n0\r\nX-Sum: 8\r\nConnection: x\r\n\r\n",
        )
        .await;
        read_head(&mut visitor).await;
        assert_eq!(
            read_to(&mut visitor, "\r\n\r\n").await,
            "2\r\nok\r\n0\r\nx-sum: 8\r\n\r\n"
        );
    })
    .await;
}
