//! Which trace is a request part of? `traceparent`, read and written as W3C Trace Context says.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field that says which trace a request is part of, and below which span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What the tracing systems on the way add to it. Without a `traceparent` it means nothing.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of version 00, and the least length of all later versions.
const LENGTH: usize = 55;
/// The version that is reserved and never right.
const NO_VERSION: u8 = 0xff;
/// Whether the trace is recorded.
const SAMPLED: u8 = 1;
/// Whether the trace's id is random (Level 2).
const RANDOM: u8 = 2;

/// The name of a trace: 16 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The name of one span of a trace: 8 bytes, not all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: TraceId,
    parent: SpanId,
    flags: u8,
}

/// The share of new traces that are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Traces whose last seven bytes are less are not.
    from: u64,
}

/// A request's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub id: TraceId,
    /// The caller's span, where the trace began before us.
    pub caller: Option<SpanId>,
    /// The span of the request.
    pub request: SpanId,
    /// The span of its way to the app, which the app's own spans are below.
    pub forward: SpanId,
    flags: u8,
}

impl TraceParent {
    /// The one `traceparent` that these headers hold; `None` where it is missing, doubled or invalid.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        Self::parse(value.as_bytes())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let mut fields = known.split(|byte| *byte == b'-');
        let [version] = from_hex(fields.next()?)?;
        let trace = from_hex(fields.next()?)?;
        let parent = from_hex(fields.next()?)?;
        let [flags] = from_hex(fields.next()?)?;
        let is_whole = match version {
            0 => rest.is_empty(),
            NO_VERSION => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let is_valid = is_whole && trace != [0; 16] && parent != [0; 8];
        is_valid.then_some(Self {
            trace: TraceId(trace),
            parent: SpanId(parent),
            // Of a later version, the first flag is all that is known.
            flags: flags
                & if version == 0 {
                    SAMPLED | RANDOM
                } else {
                    SAMPLED
                },
        })
    }
}

impl Trace {
    /// Goes on with the caller's trace, with its decision on recording, or begins a new one. `random`
    /// names what has no name yet.
    pub fn join(caller: Option<TraceParent>, random: [u8; 32], share: Share) -> Self {
        let [trace_low, trace_high, request, forward] = quarters(random);
        let (request, forward) = (SpanId(request), SpanId(forward));
        if let Some(caller) = caller {
            return Self {
                id: caller.trace,
                caller: Some(caller.parent),
                request,
                forward,
                flags: caller.flags,
            };
        }
        let mut id = [0; 16];
        let bytes = trace_low.into_iter().chain(trace_high);
        id.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        let id = TraceId(id);
        Self {
            id,
            caller: None,
            request,
            forward,
            flags: if share.holds(id) { SAMPLED } else { 0 },
        }
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The flags as they are passed on.
    pub const fn flags(&self) -> u8 {
        self.flags
    }

    /// The `traceparent` for the app.
    pub fn header(&self) -> HeaderValue {
        let mut text = *b"00-................................-................-..";
        let bytes = self.id.0.into_iter().chain(self.forward.0);
        let mut digits = bytes.chain([self.flags]).flat_map(to_hex);
        let places = text.iter_mut().filter(|byte| **byte == b'.');
        for (place, digit) in places.zip(&mut digits) {
            *place = digit;
        }
        // Digits and dashes are fit for every header.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Share {
    /// All of them.
    pub const ALL: Self = Self { from: 0 };

    /// This share, from 0 to 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and 2^56"
    )]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self {
            from: ((1.0 - share) * WHOLE) as u64,
        })
    }

    /// Whether this trace is among them: everybody who asks so decides the same about it.
    fn holds(self, TraceId(id): TraceId) -> bool {
        let last = id.into_iter().skip(9);
        last.fold(0, |number, byte| number << 8 | u64::from(byte)) >= self.from
    }
}

/// How many values seven bytes have.
const WHOLE: f64 = (1_u64 << 56) as f64;

impl TraceId {
    /// The bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// The bytes.
    pub const fn bytes(self) -> [u8; 8] {
        self.0
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

fn quarters(bytes: [u8; 32]) -> [[u8; 8]; 4] {
    let mut quarters = [[0; 8]; 4];
    let places = quarters.iter_mut().flatten();
    places.zip(bytes).for_each(|(to, byte)| *to = byte);
    quarters
}

/// Exactly `N` bytes in small hexadecimal digits.
fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

fn to_hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| match value {
        0..10 => b'0' + value,
        _ => b'a' + value - 10,
    };
    [digit(byte >> 4), digit(byte & 0xf)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn read(values: &[&str]) -> Option<TraceParent> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        TraceParent::read(&headers)
    }

    fn share(share: f64) -> Share {
        Share::new(share).unwrap()
    }

    #[test]
    fn valid_parents_are_read() {
        for (value, flags) in [
            (format!("00-{TRACE}-{PARENT}-01"), 1),
            (format!("00-{TRACE}-{PARENT}-00"), 0),
            (format!("00-{TRACE}-{PARENT}-03"), 3),
            (format!("00-{TRACE}-{PARENT}-ff"), 3),
            (format!("00-{TRACE}-{PARENT}-08"), 0),
            // Later versions begin with what is known of this one.
            (format!("01-{TRACE}-{PARENT}-01"), 1),
            (format!("cc-{TRACE}-{PARENT}-ff"), 1),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"), 1),
            (format!("cc-{TRACE}-{PARENT}-01-"), 1),
            (format!("fe-{TRACE}-{PARENT}-00"), 0),
        ] {
            let parent = read(&[&value]).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(parent.trace.to_string(), TRACE, "{value}");
            assert_eq!(parent.parent.0, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 2, 0xb7]);
            assert_eq!(parent.flags, flags, "{value}");
        }
    }

    #[test]
    fn everything_else_is_invalid() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        for values in [
            &[][..],
            &[&*valid, &*valid],
            &[""],
            &["00"],
            &[&*format!("ff-{TRACE}-{PARENT}-01")],
            &[&*format!("00-{}-{PARENT}-01", "0".repeat(32))],
            &[&*format!("00-{TRACE}-{}-01", "0".repeat(16))],
            &[&*format!("00-{}-{PARENT}-01", TRACE.to_uppercase())],
            &[&*format!("00-{TRACE}-{}-01", PARENT.to_uppercase())],
            &[&*format!("0A-{TRACE}-{PARENT}-01")],
            &[&*format!("00-{TRACE}-{PARENT}-0A")],
            &[&*format!("00-{TRACE}-{PARENT}-01-")],
            &[&*format!("00-{TRACE}-{PARENT}-01-what")],
            &[&*format!("cc-{TRACE}-{PARENT}-01.what")],
            &[&*format!("cc-{TRACE}-{PARENT}-011")],
            &[&*format!("00-{TRACE}-{PARENT}-1")],
            &[&*format!("00-{TRACE}-{PARENT}")],
            &[&*format!("00-{TRACE}-{PARENT}-")],
            &[&*format!("00-{TRACE}{PARENT}--01")],
            &[&*format!("00_{TRACE}_{PARENT}_01")],
            &[&*format!("0-{TRACE}0-{PARENT}-01")],
            &[&*format!("00-{}-{PARENT}-01", &TRACE[1..])],
            &[&*format!("00-{TRACE}-{}-01", &PARENT[1..])],
            &[&*format!("00-{}.-{PARENT}-01", &TRACE[1..])],
            &[&*format!("..-{TRACE}-{PARENT}-01")],
            &[&*format!("00-{TRACE}-{PARENT}-.0")],
            &[&*format!("{valid},{valid}")],
        ] {
            assert_eq!(read(values), None, "{values:?}");
        }
    }

    #[test]
    fn the_callers_trace_goes_on_with_its_decision() {
        for (flags, sampled, passed_on) in
            [("00", false, "00"), ("01", true, "01"), ("fe", false, "02")]
        {
            let caller = read(&[&format!("00-{TRACE}-{PARENT}-{flags}")]);
            let trace = Trace::join(caller, [0x1f; 32], share(if sampled { 0.0 } else { 1.0 }));
            assert_eq!(trace.is_sampled(), sampled);
            assert_eq!(trace.caller, caller.map(|caller| caller.parent));
            assert_eq!(
                trace.header(),
                format!("00-{TRACE}-1f1f1f1f1f1f1f1f-{passed_on}")
            );
        }
    }

    #[test]
    fn a_new_trace_has_names_of_its_own() {
        let mut random = [0; 32];
        for (byte, number) in random.iter_mut().zip(0..) {
            *byte = number;
        }
        let trace = Trace::join(None, random, share(1.0));
        assert_eq!(
            trace.header(),
            "00-000102030405060708090a0b0c0d0e0f-18191a1b1c1d1e1f-01"
        );
        assert_eq!(trace.request.0, [16, 17, 18, 19, 20, 21, 22, 23]);
        assert!(trace.caller.is_none() && trace.is_sampled());
        let again = read(&[trace.header().to_str().unwrap()]).unwrap();
        assert_eq!((again.trace, again.parent), (trace.id, trace.forward));
    }

    #[test]
    fn a_share_of_the_new_traces_is_recorded() {
        for (part, least, most) in [(0.0, 0, 0), (0.25, 48, 80), (0.5, 96, 160), (1.0, 256, 256)] {
            let sampled = |seed: u8| {
                let mut random = [0; 32];
                random[9] = seed;
                Trace::join(None, random, share(part)).is_sampled()
            };
            let count = (0..=255).filter(|seed| sampled(*seed)).count();
            assert!((least..=most).contains(&count), "{part}: {count}");
        }
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::new(wrong), None);
        }
    }
}
