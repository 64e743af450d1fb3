//! An app of our own that answers every request with what it received, byte for byte, and remembers it.
//!
//! The last segments of the path switch to other behaviour: see [`Exchange::answer`].

use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::message::{Body, Head, PATTERN_LENGTH, Received, pattern};
use super::wait_until;

/// How long a held answer waits for the test before it gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The app, on a free port.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    heads: Mutex<Vec<Head>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    may_go_on: Mutex<bool>,
    went_on: Condvar,
}

impl Upstream {
    /// Starts it.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let app = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                app.connections.fetch_add(1, Ordering::SeqCst);
                let app = Arc::clone(&app);
                // The other side going away is the test's business.
                thread::spawn(move || serve(stream, &app));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have reached it, counted when their head has been read.
    pub fn count(&self) -> usize {
        self.shared.heads.lock().expect("no panic").len()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests whose body was read to its end.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().expect("no panic").clone()
    }

    /// The last of them.
    #[track_caller]
    pub fn last(&self) -> Received {
        let received = self.received();
        received.last().expect("a request reached the app").clone()
    }

    /// Waits until this many requests have reached it.
    pub fn wait_for(&self, count: usize) {
        wait_until("requests to reach the app", PATIENCE, || {
            self.count() >= count
        });
    }

    /// Lets held answers go on.
    pub fn go_on(&self) {
        *self.shared.may_go_on.lock().expect("no panic") = true;
        self.shared.went_on.notify_all();
    }
}

impl Shared {
    fn wait_to_go_on(&self) {
        let held = self.may_go_on.lock().expect("no panic");
        let waited = self.went_on.wait_timeout_while(held, PATIENCE, |may| !*may);
        drop(waited.expect("no panic"));
    }
}

/// One request and its answer.
struct Exchange<'a> {
    reader: &'a mut BufReader<TcpStream>,
    head: &'a Head,
    shared: &'a Shared,
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(PATTERN_LENGTH, stream);
    while let Some(head) = Head::read(&mut reader)? {
        shared.heads.lock().expect("no panic").push(head.clone());
        let exchange = Exchange {
            reader: &mut reader,
            head: &head,
            shared,
        };
        if !exchange.answer()? {
            break;
        }
    }
    Ok(())
}

impl Exchange<'_> {
    /// Answers as the path says; whether the connection stays open.
    fn answer(mut self) -> io::Result<bool> {
        let target = self.head.target();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            // answers before it has read the body, then closes
            [.., "early"] => {
                self.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\nConnection: close\r\n\r\nearly")?;
                return Ok(false);
            }
            // reads a long body without keeping it and tells its length and whether it came whole
            [.., "sink"] => return self.sink(),
            _ => {}
        }
        let body = Body::of_request(self.head, self.reader, true)?;
        let received = Received {
            head: self.head.clone(),
            body,
        };
        let whole = [received.head.raw.as_slice(), &received.body.raw].concat();
        self.shared
            .received
            .lock()
            .expect("no panic")
            .push(received);
        match segments.as_slice() {
            // echo, once the test says so
            [.., "slow"] => {
                self.shared.wait_to_go_on();
                self.echo(&whole, &[])
            }
            // a part, then, once the test says so, the rest
            [.., "stream"] => self.in_parts("text/plain", ["first\n", "second\n"]),
            [.., "sse"] => self.in_parts("text/event-stream", ["data: one\n\n", "data: two\n\n"]),
            // a download of ?bytes=N
            [.., "big"] => self.download(&query),
            // this status, without a body
            [.., "status", code] => self.status(code),
            // echo with the header fields of the query
            [.., "headers"] => self.echo(&whole, &query),
            // a page for browsers
            [.., "greeting"] => self.greeting(),
            [.., "leave"] => self.leave(&query),
            // trailers behind a chunked body
            [.., "trailers"] => self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n4\r\nbody\r\n0\r\nX-Checksum: abc\r\nX-Forwarded-User: eve\r\n\r\n"),
            // a body that ends with the connection
            [.., "until-close"] => {
                self.write(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")?;
                Ok(false)
            }
            // an interim answer first
            [.., "early-hints"] => self.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            // what an app must not do
            [.., "hang-up"] => Ok(false),
            [.., "partial"] => {
                self.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.")?;
                Ok(false)
            }
            [.., "garbage"] => {
                self.write(b"this is not HTTP at all\r\n\r\n")?;
                Ok(false)
            }
            [.., "bad-switch"] => {
                self.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: d3Jvbmc=\r\n\r\n")?;
                Ok(false)
            }
            _ => self.echo(&whole, &[]),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.reader.get_mut().write_all(bytes)?;
        Ok(true)
    }

    fn echo(&mut self, whole: &[u8], fields: &[(String, String)]) -> io::Result<bool> {
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
            whole.len()
        );
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes())?;
        if self.head.method() != "HEAD" {
            self.write(whole)?;
        }
        Ok(true)
    }

    /// Sends whoever asks to the address of the query.
    fn leave(&mut self, query: &[(String, String)]) -> io::Result<bool> {
        let to = query.first().map_or("/", |(_, to)| to);
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        self.write(head.as_bytes())
    }

    /// Greets whoever asks, and has the way out.
    fn greeting(&mut self) -> io::Result<bool> {
        let name = self.head.first("x-forwarded-user").unwrap_or("stranger");
        let html = format!(
            "<!doctype html><html lang=\"en\"><title>The app</title>\
             <link rel=\"icon\" href=\"data:,\"><h1>Hello, {name}</h1>\
             <p><a href=\"/vestibule/logout\">Leave</a></html>"
        );
        self.write(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{html}",
                html.len()
            )
            .as_bytes(),
        )
    }

    fn in_parts(&mut self, media_type: &str, [first, second]: [&str; 2]) -> io::Result<bool> {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        self.write(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunk(first)
            )
            .as_bytes(),
        )?;
        self.shared.wait_to_go_on();
        self.write(format!("{}0\r\n\r\n", chunk(second)).as_bytes())
    }

    fn download(&mut self, query: &[(String, String)]) -> io::Result<bool> {
        let bytes = query.iter().find(|(name, _)| name == "bytes");
        let mut left: usize = bytes
            .map_or(Ok(0), |(_, value)| value.parse())
            .map_err(io::Error::other)?;
        self.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {left}\r\n\r\n").as_bytes())?;
        while left > 0 {
            let length = left.min(PATTERN_LENGTH);
            self.write(&pattern()[..length])?;
            left -= length;
        }
        Ok(true)
    }

    fn sink(&mut self) -> io::Result<bool> {
        let body = Body::of_request(self.head, self.reader, false)?;
        let told = serde_json::json!({"bytes": body.length, "intact": body.is_pattern}).to_string();
        self.write(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}",
                told.len()
            )
            .as_bytes(),
        )
    }

    fn status(&mut self, code: &str) -> io::Result<bool> {
        let length = if matches!(code, "204" | "304") {
            ""
        } else {
            "Content-Length: 0\r\n"
        };
        self.write(format!("HTTP/1.1 {code} As Asked\r\nETag: \"1\"\r\n{length}\r\n").as_bytes())
    }
}
