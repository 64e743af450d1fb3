//! Do WebSockets get through, and nothing else that calls itself an upgrade?

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;

use super::{Bench, SECOND, on_a_data_thread, read_head, read_to, values, write};

/// The handshake and acceptance of RFC 6455 §1.3.
const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPTANCE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\n\r\n";

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_until_it_ends() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, HANDSHAKE).await;
        let mut app = bench.accept().await;
        let head = read_head(&mut app).await;
        assert_eq!(values(&head, "connection"), ["Upgrade"]);
        assert_eq!(values(&head, "upgrade"), ["websocket"]);
        assert_eq!(values(&head, "sec-websocket-protocol"), ["chat"]);
        // The first frame comes with the acceptance.
        write(&mut app, &format!("{ACCEPTANCE}hello")).await;
        let head = read_head(&mut visitor).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert_eq!(values(&head, "connection"), ["Upgrade"]);
        assert_eq!(values(&head, "upgrade"), ["websocket"]);
        assert_eq!(values(&head, "sec-websocket-protocol"), ["chat"]);
        read_to(&mut visitor, "hello").await;
        write(&mut visitor, "hi").await;
        read_to(&mut app, "hi").await;
        assert_eq!(bench.upstreams.tunnels(), 1);
        drop(app);
        assert_eq!(visitor.read(&mut [0]).await.unwrap(), 0);
        drop(visitor);
        while bench.upstreams.tunnels() > 0 {
            yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_one_side_has_closed_does_not_wait_for_the_other() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        for closed_by_the_app in [true, false] {
            let mut visitor = bench.visitor();
            write(&mut visitor, HANDSHAKE).await;
            let mut app = bench.accept().await;
            read_head(&mut app).await;
            write(&mut app, ACCEPTANCE).await;
            read_head(&mut visitor).await;
            if closed_by_the_app {
                app.shutdown().await.unwrap();
                assert_eq!(visitor.read(&mut [0]).await.unwrap(), 0);
            } else {
                visitor.shutdown().await.unwrap();
                assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
            }
            // What is still said gets through; what is never said is not waited for.
            if closed_by_the_app {
                write(&mut visitor, "bye").await;
                read_to(&mut app, "bye").await;
            } else {
                write(&mut app, "bye").await;
                read_to(&mut visitor, "bye").await;
            }
            assert_eq!(bench.upstreams.tunnels(), 1);
            tokio::time::sleep(10 * SECOND).await;
            assert_eq!(bench.upstreams.tunnels(), 0);
        }
    })
    .await;
}

#[tokio::test]
async fn all_tunnels_can_be_ended() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, HANDSHAKE).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(&mut app, ACCEPTANCE).await;
        read_head(&mut visitor).await;
        bench.upstreams.end_tunnels();
        assert_eq!(visitor.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(bench.upstreams.tunnels(), 0);
    })
    .await;
}

#[tokio::test]
async fn another_switch_than_the_one_asked_for_is_a_bad_answer() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let plain = super::GET;
        let to_h2c = ACCEPTANCE.replace("websocket", "h2c");
        let wrong = ACCEPTANCE.replace("s3p", "S3P");
        for (request, answer) in [
            (plain, ACCEPTANCE),
            (HANDSHAKE, &to_h2c),
            (HANDSHAKE, &wrong),
        ] {
            let head = bench.answered(request, answer).await;
            assert_eq!(values(&head, "error"), ["BadAnswer"], "{answer}");
        }
        assert_eq!(bench.upstreams.tunnels(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_handshake_may_be_answered_as_any_request() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let head = bench.answered(HANDSHAKE, answer).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    })
    .await;
}

#[tokio::test]
async fn no_other_upgrade_is_passed_on() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let head = bench
            .received("GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
            .await;
        for name in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(values(&head, name), [""; 0], "{name}");
        }
    })
    .await;
}
