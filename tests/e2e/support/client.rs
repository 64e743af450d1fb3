//! A client that sends exactly the bytes it is given and shows exactly what came back.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::Gateway;
use super::message::{Body, Head};

/// Longer than any answer of the gateway may take, so that a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// One TCP connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and fields.
    pub head: Head,
    /// The body.
    pub body: Body,
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("the listener accepts")
    }

    /// Connects, if there is a listener.
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("it is set");
        stream.set_write_timeout(Some(PATIENCE)).expect("it is set");
        stream.set_nodelay(true).expect("it is set");
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Some(Self { stream })
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.get_mut().write_all(bytes.as_ref());
        sent.expect("the other side takes the bytes");
    }

    /// Sends as much as the other side takes; an answer may be there before the end.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Reads the next head.
    pub fn head(&mut self) -> Head {
        let head = Head::read(&mut self.stream).expect("an answer comes");
        head.expect("an answer comes before the connection is closed")
    }

    /// Reads one answer to anything but HEAD.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let body = Body::of_answer(&head, &mut self.stream, true);
        Answer::new(head, body.expect("the body is whole"))
    }

    /// Reads one answer without keeping its body.
    pub fn long_answer(&mut self) -> Answer {
        let head = self.head();
        let body = Body::of_answer(&head, &mut self.stream, false);
        Answer::new(head, body.expect("the body is whole"))
    }

    /// Reads one answer, or `None` where the connection ends in the middle of it.
    pub fn answer_if_whole(&mut self) -> Option<Answer> {
        let head = Head::read(&mut self.stream).ok()??;
        let body = Body::of_answer(&head, &mut self.stream, true).ok()?;
        Some(Answer::new(head, body))
    }

    /// Reads up to and with the next line feed.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line comes");
        line
    }

    /// Reads this many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = self.stream.read_exact(&mut bytes);
        read.expect("the bytes come");
        bytes
    }

    /// Reads what still comes until the other side closes, or resets the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection stays open: {error}"),
        }
        rest
    }

    /// Whether the other side has neither closed nor said more.
    pub fn is_open(&mut self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).expect("it is set");
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("it is set");
        let waits = peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        waits && self.stream.buffer().iter().all(u8::is_ascii_whitespace)
    }

    /// Waits for the other side to close; whatever still comes is thrown away.
    pub fn wait_for_end(&mut self) {
        loop {
            let length = match self.stream.fill_buf() {
                Ok([]) => return,
                Ok(piece) => piece.len(),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
                Err(error) => panic!("the connection stays open: {error}"),
            };
            self.stream.consume(length);
        }
    }
}

impl Answer {
    fn new(head: Head, body: Body) -> Self {
        let status = head.target().parse().expect("a status line has a code");
        Self { status, head, body }
    }

    /// The value of the first field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.first(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.data).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body.data) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {} with body {:?}", self.head.start, self.text()),
        }
    }

    /// The `error` of a refusal.
    #[track_caller]
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether vestibule made this answer itself.
    pub fn is_ours(&self) -> bool {
        self.header("x-vestibule") == Some("1")
    }
}

impl Request {
    /// A request with this method.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            body: None,
        }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST without body yet.
    pub fn post(target: &str) -> Self {
        Self::new("POST", target).body("")
    }

    /// With this field, spelled like this.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this access token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// As a browser navigates.
    pub fn navigating(self) -> Self {
        self.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document")
    }

    /// As a browser marks what one of our own pages sends.
    pub fn same_origin(self) -> Self {
        self.header("Sec-Fetch-Site", "same-origin")
            .header("Origin", "http://localhost")
    }

    /// With this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With this value as JSON.
    pub fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json")
            .body(value.to_string())
    }

    /// With these form fields.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let text = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.header("Content-Type", "application/x-www-form-urlencoded")
            .body(text)
    }

    /// The bytes on the wire: `Host` and `Content-Length` are added unless they were given.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has("host") {
            text.push_str("Host: localhost\r\n");
        }
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body
            && !self.has("content-length")
            && !self.has("transfer-encoding")
        {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it on a connection of its own and reads the answer.
    pub fn send(&self, gateway: &Gateway) -> Answer {
        let mut connection = gateway.connect();
        connection.send(self.to_bytes());
        connection.answer()
    }

    fn has(&self, name: &str) -> bool {
        let mut names = self.fields.iter().map(|(other, _)| other);
        names.any(|other| other.eq_ignore_ascii_case(name))
    }
}
