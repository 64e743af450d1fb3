//! Does the visitor see what they should?

use super::{Bench, NONE, ada, get, ok, on_a_data_thread, read_head, read_to, values, write};

#[tokio::test]
async fn the_visitor_does_not_see_what_only_we_may_say() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let head = bench
            .answered(
                &get(""),
                &ok(
                    "X-Vestibule: 1\r\nAlt-Svc: h3=\":443\"\r\nKeep-Alive: timeout=5\r\nConnection: x-hop\r\n\
                     X-Hop: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: vestibule_access=x\r\nServer: app\r\n",
                ),
            )
            .await;
        for name in ["x-vestibule", "alt-svc", "keep-alive", "connection", "x-hop"] {
            assert_eq!(values(&head, name), NONE, "{name}");
        }
        assert_eq!(values(&head, "set-cookie"), ["a=1"]);
        assert_eq!(values(&head, "server"), ["app"]);
        assert_eq!(values(&head, "cache-control"), NONE);
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_a_known_visitor_is_private_unless_the_route_shares() {
    on_a_data_thread(async {
        let mut bench = Bench::new().await;
        bench.visitor = ada();
        let answer = ok("Cache-Control: public, max-age=60\r\n");
        let head = bench.answered(&get(""), &answer).await;
        assert_eq!(values(&head, "cache-control"), ["max-age=60, private"]);
        bench.route.shared_cache = true;
        let head = bench.answered(&get(""), &answer).await;
        assert_eq!(values(&head, "cache-control"), ["public, max-age=60"]);
    })
    .await;
}

#[tokio::test]
async fn a_location_at_the_apps_own_address_leads_to_ours() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let app = bench.route.upstream.address.authority();
        for (location, seen) in [
            (format!("http://{app}/a?b"), "http://app/a?b"),
            ("/a".to_owned(), "/a"),
            ("http://else/a".to_owned(), "http://else/a"),
        ] {
            let answer = ok(&format!("Location: {location}\r\n"));
            let head = bench.answered(&get(""), &answer).await;
            assert_eq!(values(&head, "location"), [seen]);
        }
    })
    .await;
}

#[tokio::test]
async fn answers_without_body_keep_their_length() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let head = "HEAD / HTTP/1.1\r\nHost: app\r\n\r\n".to_owned();
        for (request, answer, length) in [
            (&head, "200 OK\r\nContent-Length: 7", &["7"][..]),
            (&head, "200 OK\r\nTransfer-Encoding: chunked", &[]),
            (&get(""), "304 Not Modified\r\nContent-Length: 7", &["7"]),
            (&get(""), "304 Not Modified", &[]),
            (&get(""), "204 No Content", &[]),
        ] {
            let mut visitor = bench.visitor();
            for _ in 0..2 {
                write(&mut visitor, request).await;
                let mut app = bench.accept().await;
                read_head(&mut app).await;
                write(
                    &mut app,
                    &format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n"),
                )
                .await;
                let head = read_head(&mut visitor).await;
                assert_eq!(values(&head, "content-length"), length, "{answer}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn informational_answers_are_not_passed_on() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let head = bench
            .answered(&get(""), &(early.to_owned() + &ok("")))
            .await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(values(&head, "link"), NONE);
    })
    .await;
}

#[tokio::test]
async fn an_answer_until_the_close_is_passed_on_in_chunks() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, &get("")).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(&mut app, "HTTP/1.0 200 Fine\r\n\r\nhello").await;
        drop(app);
        let head = read_head(&mut visitor).await;
        assert!(head.starts_with("HTTP/1.1 200 Fine\r\n"), "{head}");
        assert_eq!(
            read_to(&mut visitor, "0\r\n\r\n").await,
            "5\r\nhello\r\n0\r\n\r\n"
        );
    })
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_does_not_count() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let head = bench.answered(&get(""), answer).await;
        assert_eq!(values(&head, "content-length"), NONE);
        assert_eq!(values(&head, "transfer-encoding"), ["chunked"]);
    })
    .await;
}
