//! Where in its frames does one direction of a WebSocket stand? Heads are read as bytes pass (RFC 6455 §5.2).

/// The opcode of a close frame.
const CLOSE: u8 = 0x8;
/// The bit of a frame's second byte that announces a mask.
const MASKED: u8 = 0x80;
/// How long a mask is.
const MASK: u64 = 4;

/// What a peer is told whose session has ended: code 1008, a violation of policy (RFC 6455 §7.4.1).
const GOODBYE: &[u8] = b"\x03\xf0session ended";

/// The frames of one direction, as far as they have passed. What is no WebSocket is followed as if it
/// were one, to no harm.
#[derive(Debug, Default)]
pub(super) struct Frames {
    at: At,
    has_closed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// Between two frames.
    #[default]
    Between,
    /// Before the byte that tells mask and length.
    Length,
    /// Before the last bytes of a length of two or eight bytes.
    LongLength { to_come: u8, so_far: u64, mask: u64 },
    /// So many bytes of mask and payload before the end.
    Payload(u64),
}

impl Frames {
    /// These bytes have passed.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.at = match self.at {
                At::Between => {
                    self.has_closed |= byte & 0x0f == CLOSE;
                    At::Length
                }
                At::Length => length(byte),
                At::LongLength {
                    to_come,
                    so_far,
                    mask,
                } => longer(to_come, so_far << 8 | u64::from(byte), mask),
                At::Payload(left) => {
                    let skipped = usize::try_from(left - 1).unwrap_or(usize::MAX);
                    let skipped = skipped.min(bytes.len());
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    payload(left - 1 - skipped as u64)
                }
            };
        }
    }

    /// Whether a close frame can follow: a frame has ended, and it was none.
    pub(super) const fn can_be_closed(&self) -> bool {
        matches!(self.at, At::Between) && !self.has_closed
    }
}

const fn length(byte: u8) -> At {
    let mask = if byte & MASKED == 0 { 0 } else { MASK };
    let to_come = match byte & !MASKED {
        126 => 2,
        127 => 8,
        length => return payload(length as u64 + mask),
    };
    At::LongLength {
        to_come,
        so_far: 0,
        mask,
    }
}

const fn longer(to_come: u8, so_far: u64, mask: u64) -> At {
    match to_come {
        0 | 1 => payload(so_far.saturating_add(mask)),
        _ => At::LongLength {
            to_come: to_come - 1,
            so_far,
            mask,
        },
    }
}

const fn payload(left: u64) -> At {
    match left {
        0 => At::Between,
        left => At::Payload(left),
    }
}

/// The close frame that says that the session has ended. Apps get it with a mask, visitors without.
pub(super) fn goodbye(mask: Option<[u8; 4]>) -> Vec<u8> {
    const FINAL: u8 = 0x80;
    let length = u8::try_from(GOODBYE.len()).unwrap_or_default();
    let mut frame = vec![FINAL | CLOSE];
    match mask {
        None => {
            frame.push(length);
            frame.extend_from_slice(GOODBYE);
        }
        Some(mask) => {
            frame.push(MASKED | length);
            frame.extend_from_slice(&mask);
            let masked = GOODBYE.iter().zip(mask.iter().cycle());
            frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader, FrameSocket};

    use super::*;

    fn stands_between_after(bytes: &[u8]) -> bool {
        let mut frames = Frames::default();
        frames.pass(bytes);
        matches!(frames.at, At::Between)
    }

    #[test]
    fn a_frame_ends_where_its_head_says() {
        // The examples of RFC 6455 §5.7, and the edges of the lengths.
        let with = |head: &[u8], payload: usize| [head, &vec![0; payload]].concat();
        for frame in [
            b"\x81\x05Hello".to_vec(),
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
            b"\x01\x03Hel".to_vec(),
            b"\x80\x02lo".to_vec(),
            b"\x89\x00".to_vec(),
            b"\x89\x80\x37\xfa\x21\x3d".to_vec(),
            with(b"\x82\x7d", 125),
            with(b"\x82\x7e\x01\x00", 256),
            with(b"\x82\xfe\x01\x00mask", 256),
            with(b"\x82\x7f\0\0\0\0\0\x01\0\0", 65_536),
            with(b"\x82\xff\0\0\0\0\0\x01\0\0mask", 65_536),
            b"\x82\x7e\0\0".to_vec(),
        ] {
            for cut in 1..frame.len() {
                assert!(!stands_between_after(&frame[..cut]), "{cut} {frame:x?}");
            }
            assert!(stands_between_after(&frame), "{frame:x?}");
        }
    }

    #[test]
    fn no_length_overflows() {
        let mut frames = Frames::default();
        frames.pass(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff");
        frames.pass(&[0; 10_000]);
        assert!(!frames.can_be_closed());
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut frames = Frames::default();
        assert!(frames.can_be_closed());
        frames.pass(b"\x81\x01a");
        assert!(frames.can_be_closed());
        frames.pass(b"\x88\x02\x03\xe8");
        assert!(!frames.can_be_closed());
    }

    #[tokio::test]
    async fn others_read_our_goodbye() {
        for mask in [None, Some([0x37, 0xfa, 0x21, 0x3d])] {
            let bytes = goodbye(mask);
            let mut socket = FrameSocket::new(std::io::Cursor::new(bytes));
            let frame = socket.read(None).unwrap().unwrap();
            assert_eq!(frame.header().opcode, OpCode::Control(Control::Close));
            let told = frame.into_payload();
            let payload: Vec<u8> = match mask {
                None => told.to_vec(),
                Some(mask) => told
                    .iter()
                    .zip(mask.iter().cycle())
                    .map(|(b, m)| b ^ m)
                    .collect(),
            };
            assert_eq!(payload, GOODBYE);
        }
    }

    fn frame() -> impl Strategy<Value = (Vec<u8>, bool)> {
        let length = prop_oneof![0..130_usize, 65_530..65_540_usize];
        let opcode = prop_oneof![
            Just(OpCode::Data(Data::Text)),
            Just(OpCode::Data(Data::Binary)),
            Just(OpCode::Data(Data::Continue)),
            Just(OpCode::Control(Control::Ping)),
            Just(OpCode::Control(Control::Close)),
        ];
        let mask = proptest::option::of(any::<[u8; 4]>());
        (length, opcode, mask, any::<bool>()).prop_map(|(length, opcode, mask, is_final)| {
            let header = FrameHeader {
                is_final,
                opcode,
                mask,
                ..FrameHeader::default()
            };
            let mut bytes = Vec::new();
            let frame = Frame::from_payload(header, vec![0x81; length].into());
            frame.format(&mut bytes).unwrap();
            (bytes, opcode == OpCode::Control(Control::Close))
        })
    }

    proptest! {
        #[test]
        fn frames_that_others_made_end_where_they_end(
            frames in proptest::collection::vec(frame(), 1..6),
            pieces in proptest::collection::vec(1..70_000_usize, 1..20),
        ) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            let mut closed_from = usize::MAX;
            for (frame, is_close) in &frames {
                if *is_close {
                    closed_from = closed_from.min(bytes.len());
                }
                bytes.extend_from_slice(frame);
                ends.push(bytes.len());
            }
            let mut read = Frames::default();
            let (mut passed, mut pieces) = (0, pieces.into_iter().cycle());
            while passed < bytes.len() {
                let to_come = ends.iter().find(|end| **end > passed).unwrap() - passed;
                // Now and then a piece ends with a frame.
                let piece = pieces.next().unwrap();
                let piece = if piece % 3 == 0 { to_come } else { piece };
                let piece = piece.min(bytes.len() - passed);
                read.pass(&bytes[passed..passed + piece]);
                passed += piece;
                let can = ends.contains(&passed) && passed <= closed_from;
                prop_assert_eq!(read.can_be_closed(), can, "{}", passed);
            }
        }
    }
}
