//! The demo's app: knows nothing about sign-in and shows every request as it received it.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Starts the app on a free port of its own thread and says where.
pub(super) fn start() -> io::Result<SocketAddr> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    thread::Builder::new()
        .name("demo-app".to_owned())
        .spawn(move || runtime.block_on(serve(listener)))?;
    Ok(address)
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let show = service_fn(|request| async move { Ok::<_, Infallible>(show(&request)) });
            // An error here is the end of a connection.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), show)
                .await;
        });
    }
}

fn show(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut text = format!("{} {}\n\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    }
    let mut response = Response::new(Full::from(text));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
