//! Does every byte arrive once, in time and at the pace of who reads it?

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::{Bench, GET, OK, SECOND, on_a_data_thread, read_head, read_to, write};

#[tokio::test]
async fn a_connection_is_used_for_one_request_after_the_other() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        for answer in [
            OK,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
        ] {
            read_head(&mut app).await;
            write(&mut app, answer).await;
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            read_head(&mut visitor).await;
            read_to(&mut visitor, body).await;
            write(&mut visitor, GET).await;
        }
        read_head(&mut app).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_the_app_closed_is_not_used() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        for _ in 0..2 {
            write(&mut visitor, GET).await;
            let mut app = bench.accept().await;
            read_head(&mut app).await;
            write(&mut app, OK).await;
            read_to(&mut visitor, "ok").await;
            drop(app);
            let pool = bench.upstreams.pool(&bench.route.upstream);
            while let Some(idle) = pool.take() {
                pool.put(idle);
                yield_now().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_of_which_nothing_was_written_goes_on_a_new_connection() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(&mut app, OK).await;
        read_to(&mut visitor, "ok").await;
        // The connection is over, and its task has not yet had the time to say so.
        let pool = bench.upstreams.pool(&bench.route.upstream);
        let idle = pool.take().unwrap();
        idle.task.abort();
        assert!(idle.sender.is_ready());
        pool.put(idle);
        write(
            &mut visitor,
            "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 2\r\n\r\nhi",
        )
        .await;
        let mut app = bench.accept().await;
        assert!(read_to(&mut app, "hi").await.starts_with("POST /"));
        write(&mut app, OK).await;
        read_to(&mut visitor, "ok").await;
    })
    .await;
}

#[tokio::test]
async fn a_request_the_app_may_have_seen_is_not_sent_again() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        drop(app);
        assert!(read_head(&mut visitor).await.contains("error: Unreachable"));
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        drop(bench.app);
        write(&mut visitor, GET).await;
        assert!(read_head(&mut visitor).await.contains("error: Unreachable"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_after_four_seconds_without_traffic() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(&mut app, OK).await;
        read_to(&mut visitor, "ok").await;
        let idle = Instant::now();
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
        assert!((4..=5).contains(&idle.elapsed().as_secs()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_with_the_thread() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(&mut app, OK).await;
        read_to(&mut visitor, "ok").await;
        let idle = Instant::now();
        drop((bench, visitor));
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
        assert!(idle.elapsed() < SECOND);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_does_not_answer_times_out() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        let sent = Instant::now();
        assert!(read_head(&mut visitor).await.contains("error: TimedOut"));
        assert_eq!(sent.elapsed().as_secs(), 60);
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_app_counts_from_the_last_byte_of_the_body() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\n",
        )
        .await;
        let mut app = bench.accept().await;
        for byte in ["1", "2", "3", "4", "5"] {
            tokio::time::sleep(25 * SECOND).await;
            write(&mut visitor, byte).await;
            read_to(&mut app, byte).await;
        }
        let sent = Instant::now();
        assert!(read_head(&mut visitor).await.contains("error: TimedOut"));
        assert_eq!(sent.elapsed().as_secs(), 60);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_whose_body_stalls_times_out() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\n12",
        )
        .await;
        let mut app = bench.accept().await;
        read_to(&mut app, "12").await;
        let stalled = Instant::now();
        assert!(
            read_head(&mut visitor)
                .await
                .contains("error: BodyTimedOut")
        );
        assert_eq!(stalled.elapsed().as_secs(), 30);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_after_its_answer_is_given_up() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\n12",
        )
        .await;
        let mut app = bench.accept().await;
        read_to(&mut app, "12").await;
        write(&mut app, OK).await;
        read_to(&mut visitor, "ok").await;
        let stalled = Instant::now();
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
        assert!((30..=60).contains(&stalled.elapsed().as_secs()));
        assert_eq!(visitor.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_malformed_body_is_the_callers_fault() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "PUT / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        )
        .await;
        let mut app = bench.accept().await;
        read_to(&mut app, "a\r\n").await;
        write(&mut visitor, "evil\r\n").await;
        assert!(read_head(&mut visitor).await.contains("error: BadBody"));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_answer() {
    on_a_data_thread(async {
        for answer in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ] {
            let bench = Bench::new().await;
            let mut visitor = bench.visitor();
            write(&mut visitor, GET).await;
            let mut app = bench.accept().await;
            read_head(&mut app).await;
            write(&mut app, answer).await;
            assert!(read_head(&mut visitor).await.contains("error: BadAnswer"));
        }
    })
    .await;
}

#[tokio::test]
async fn every_chunk_is_passed_on_as_it_comes_both_ways() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(
            &mut visitor,
            "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(
            &mut app,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
        .await;
        read_head(&mut visitor).await;
        for chunk in ["1\r\na\r\n", "2\r\nbc\r\n", "0\r\n\r\n"] {
            write(&mut visitor, chunk).await;
            assert_eq!(read_to(&mut app, chunk).await, chunk);
            write(&mut app, chunk).await;
            assert_eq!(read_to(&mut visitor, chunk).await, chunk);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_app_cannot_send_faster_than_the_visitor_reads() {
    on_a_data_thread(async {
        const WHOLE: usize = 256 << 20;
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        write(
            &mut app,
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n"),
        )
        .await;
        read_head(&mut visitor).await;
        let chunk = vec![0; 64 << 10];
        let mut sent = 0;
        // The paused clock moves only when nobody has anything to do.
        while tokio::time::timeout(SECOND, app.write_all(&chunk))
            .await
            .is_ok()
        {
            sent += chunk.len();
        }
        assert!(sent < WHOLE / 4, "{sent} bytes were taken");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_visitor() {
    on_a_data_thread(async {
        for (head, end) in [
            ("Content-Length: 10", "abc"),
            ("Transfer-Encoding: chunked", "3\r\nabc\r\n"),
        ] {
            let bench = Bench::new().await;
            let mut visitor = bench.visitor();
            write(&mut visitor, GET).await;
            let mut app = bench.accept().await;
            read_head(&mut app).await;
            write(&mut app, &format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{end}")).await;
            read_head(&mut visitor).await;
            read_to(&mut visitor, end).await;
            drop(app);
            let mut rest = Vec::new();
            visitor.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty(), "{rest:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_speaks_http_1_0_is_used_once() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        for _ in 0..2 {
            write(&mut visitor, GET).await;
            let mut app = bench.accept().await;
            read_head(&mut app).await;
            let answer = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
            write(&mut app, answer).await;
            read_to(&mut visitor, "ok").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_request() {
    on_a_data_thread(async {
        let bench = Bench::new().await;
        let mut visitor = bench.visitor();
        write(&mut visitor, GET).await;
        let mut app = bench.accept().await;
        read_head(&mut app).await;
        drop(visitor);
        assert_eq!(app.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
}
