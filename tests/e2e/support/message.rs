//! HTTP/1.1 messages as they are on the wire: read here by hand, so that no library tidies them up.

use std::io::{self, BufRead, Read as _};
use std::sync::OnceLock;

/// The length of [`pattern`], after which a long body repeats itself.
pub const PATTERN_LENGTH: usize = 64 * 1024;

/// What long bodies are made of.
pub fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(PATTERN_LENGTH)
        .collect()
    })
}

/// A message without its body.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The request line or status line.
    pub start: String,
    /// Names and values in the order they came, names as they were spelled.
    pub fields: Vec<(String, String)>,
    /// All of it, byte for byte.
    pub raw: Vec<u8>,
}

/// A body as it came.
#[derive(Clone, Debug)]
pub struct Body {
    /// Without chunk framing; empty when not kept.
    pub data: Vec<u8>,
    /// With chunk framing and trailers.
    pub raw: Vec<u8>,
    /// How long it was without framing.
    pub length: u64,
    /// Whether it was [`pattern`] over and over.
    pub is_pattern: bool,
    /// The trailer fields.
    pub trailers: Vec<(String, String)>,
    keep: bool,
}

/// A whole request as an upstream received it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
}

impl Head {
    /// Reads up to the empty line. `None`: the other side closed before the first byte.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = Self::default();
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            head.raw.extend_from_slice(&line);
            if line.is_empty() {
                return if head.raw.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
            let text = text_of(&line);
            if head.start.is_empty() {
                head.start = text;
            } else if text.is_empty() {
                return Ok(Some(head));
            } else {
                head.fields.push(field_of(&text));
            }
        }
    }

    /// The values of all fields of this name, whatever its case.
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// The value of the first field of this name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// `GET` of `GET /path HTTP/1.1`.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// `/path` of `GET /path HTTP/1.1`.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }
}

impl Body {
    fn new(keep: bool) -> Self {
        Self {
            data: Vec::new(),
            raw: Vec::new(),
            length: 0,
            is_pattern: true,
            trailers: Vec::new(),
            keep,
        }
    }

    /// Reads the body that a request with this head has.
    pub fn of_request(head: &Head, reader: &mut impl BufRead, keep: bool) -> io::Result<Self> {
        let mut body = Self::new(keep);
        if is_chunked(head) {
            body.read_chunks(reader)?;
        } else {
            let length = head.first("content-length").unwrap_or("0");
            body.read_exactly(reader, length.parse().map_err(io::Error::other)?)?;
        }
        Ok(body)
    }

    /// Reads the body that an answer with this head has to a request that was not HEAD.
    pub fn of_answer(head: &Head, reader: &mut impl BufRead, keep: bool) -> io::Result<Self> {
        let mut body = Self::new(keep);
        let status = head.target();
        if status.starts_with('1') || status == "204" || status == "304" {
        } else if is_chunked(head) {
            body.read_chunks(reader)?;
        } else if let Some(length) = head.first("content-length") {
            body.read_exactly(reader, length.parse().map_err(io::Error::other)?)?;
        } else {
            while body.read_piece(reader, u64::MAX)? > 0 {}
        }
        Ok(body)
    }

    /// The trailers of this name.
    pub fn trailer(&self, name: &str) -> Vec<&str> {
        values(&self.trailers, name)
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        loop {
            let line = self.read_line(reader)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size == 0 {
                break;
            }
            self.read_exactly(reader, size)?;
            self.read_line(reader)?;
        }
        loop {
            let line = self.read_line(reader)?;
            if line.is_empty() {
                return Ok(());
            }
            self.trailers.push(field_of(&line));
        }
    }

    fn read_line(&mut self, reader: &mut impl BufRead) -> io::Result<String> {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.keep {
            self.raw.extend_from_slice(&line);
        }
        Ok(text_of(&line))
    }

    fn read_exactly(&mut self, reader: &mut impl BufRead, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            match self.read_piece(reader, left)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read,
            }
        }
        Ok(())
    }

    fn read_piece(&mut self, reader: &mut impl BufRead, most: u64) -> io::Result<u64> {
        let mut limited = reader.take(most);
        let piece = limited.fill_buf()?;
        let length = piece.len();
        if self.keep {
            self.data.extend_from_slice(piece);
            self.raw.extend_from_slice(piece);
        }
        self.is_pattern = self.is_pattern && follows_pattern(self.length, piece);
        self.length += length as u64;
        limited.consume(length);
        Ok(length as u64)
    }
}

fn follows_pattern(position: u64, mut piece: &[u8]) -> bool {
    let mut start = usize::try_from(position % PATTERN_LENGTH as u64).expect("it is small");
    while !piece.is_empty() {
        let expected = &pattern()[start..];
        let length = expected.len().min(piece.len());
        if piece[..length] != expected[..length] {
            return false;
        }
        piece = &piece[length..];
        start = 0;
    }
    true
}

fn is_chunked(head: &Head) -> bool {
    head.first("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let same = fields
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name));
    same.map(|(_, value)| value.as_str()).collect()
}

fn text_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end_matches(['\r', '\n'])
        .to_owned()
}

fn field_of(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}
