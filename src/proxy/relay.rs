//! The two directions of a tunnel: bytes as they come, and a close frame where one fits once it is over.

use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, copy, sink,
    split,
};
use tokio::time::timeout;

use crate::proxy::frames::{Frames, goodbye};
use crate::random;

/// How long one side may go on after the other has closed: neither says any more with half a
/// WebSocket, and a connection that is only read from never tells that its other end is gone.
const LINGER: Duration = Duration::from_secs(5);

/// How long a side has to take the close frame and to answer it.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// As much is read at once.
const BUFFER: usize = 8 * 1024;

/// Visitor and app, connected.
pub(super) struct Relay<S> {
    up: Direction<S>,
    down: Direction<S>,
}

/// One direction, with what was read and not yet written.
struct Direction<S> {
    from: ReadHalf<S>,
    to: WriteHalf<S>,
    buffer: Box<[u8]>,
    written: usize,
    read: usize,
    /// Where the writer stands.
    frames: Frames,
}

impl<S: AsyncRead + AsyncWrite> Relay<S> {
    pub(super) fn new(visitor: S, app: S) -> Self {
        let (from_visitor, to_visitor) = split(visitor);
        let (from_app, to_app) = split(app);
        Self {
            up: Direction::new(from_visitor, to_app),
            down: Direction::new(from_app, to_visitor),
        }
    }

    /// Carries bytes both ways until one side is done and the other had time to be, or one breaks.
    /// Dropped before, it can be called again, or [`Relay::end`].
    pub(super) async fn carry(&mut self) -> io::Result<()> {
        let mut up = pin!(self.up.carry());
        let mut down = pin!(self.down.carry());
        let rest = tokio::select! {
            done = &mut up => done.map(|()| down)?,
            done = &mut down => done.map(|()| up)?,
        };
        timeout(LINGER, rest).await.unwrap_or(Ok(()))
    }

    /// Ends both sides: with a close frame where the writer stands between two frames; otherwise the
    /// connection is dropped, and nobody takes what came for the whole.
    pub(super) async fn end(self) {
        let Self { up, down } = self;
        let to_visitor = take_leave(down.to, up.from, &down.frames, None);
        let to_app = take_leave(up.to, down.from, &up.frames, Some(random::bytes()));
        tokio::join!(to_visitor, to_app);
    }
}

impl<S: AsyncRead + AsyncWrite> Direction<S> {
    fn new(from: ReadHalf<S>, to: WriteHalf<S>) -> Self {
        Self {
            from,
            to,
            buffer: vec![0; BUFFER].into(),
            written: 0,
            read: 0,
            frames: Frames::default(),
        }
    }

    /// Carries bytes until their source has no more, and says so to whoever gets them.
    async fn carry(&mut self) -> io::Result<()> {
        loop {
            while let Some(waiting @ [_, ..]) = self.buffer.get(self.written..self.read) {
                let length = self.to.write(waiting).await?;
                if length == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.frames.pass(waiting.get(..length).unwrap_or_default());
                self.written += length;
            }
            self.to.flush().await?;
            let read = self.from.read(&mut self.buffer).await?;
            (self.written, self.read) = (0, read);
            if read == 0 {
                return self.to.shutdown().await;
            }
        }
    }
}

/// Says the last words to one side, and reads off what it still says: a connection that is closed with
/// bytes unread is reset, which would take our words away from whoever has not read them yet.
async fn take_leave<S: AsyncRead + AsyncWrite>(
    mut to: WriteHalf<S>,
    mut from: ReadHalf<S>,
    frames: &Frames,
    mask: Option<[u8; 4]>,
) {
    if !frames.can_be_closed() {
        return;
    }
    let leaving = async {
        to.write_all(&goodbye(mask)).await?;
        to.shutdown().await?;
        copy(&mut from, &mut sink()).await
    };
    // Whoever does not listen any more is left without a word.
    let _ = timeout(LAST_WORDS, leaving).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    const WHOLE: &[u8] = b"\x82\x02ok";
    const GOODBYE: &[u8] = b"\x88\x0f\x03\xf0session ended";

    /// A relay that has carried these bytes down, and both its ends.
    async fn having_carried(down: &[u8]) -> (Relay<DuplexStream>, DuplexStream, DuplexStream) {
        let (mut visitor, ours) = duplex(64 << 10);
        let (theirs, mut app) = duplex(64 << 10);
        let mut relay = Relay::new(ours, theirs);
        app.write_all(down).await.unwrap();
        let mut came = vec![0; down.len()];
        tokio::select! {
            _ = relay.carry() => panic!("nobody has closed"),
            read = visitor.read_exact(&mut came) => drop(read.unwrap()),
        }
        assert_eq!(came, down);
        (relay, visitor, app)
    }

    async fn rest(mut stream: DuplexStream) -> Vec<u8> {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_last_depends_on_what_was_said_before() {
        let large = [&b"\x82\x7f\0\0\0\0\0\0\x40\0"[..], &[7; 0x4000]].concat();
        let half = &large[..10_000];
        let closed = b"\x88\x02\x03\xe8";
        for (down, told) in [
            (&b""[..], GOODBYE),
            (WHOLE, GOODBYE),
            (&large, GOODBYE),
            (half, b""),
            (&WHOLE[..1], b""),
            (closed, b""),
        ] {
            let (relay, visitor, app) = having_carried(down).await;
            relay.end().await;
            assert_eq!(rest(visitor).await, told, "{} bytes", down.len());
            // The other direction has carried nothing: the app is told, under a mask.
            let heard = rest(app).await;
            assert_eq!(heard.len(), GOODBYE.len() + 4);
            assert_eq!(heard[..2], [0x88, 0x8f]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_not_waited_for() {
        let (visitor, ours) = duplex(1);
        let (theirs, _app) = duplex(1);
        Relay::new(ours, theirs).end().await;
        drop(visitor);
    }

    #[tokio::test]
    async fn nothing_is_lost_when_carrying_is_broken_off_and_begun_again() {
        let (visitor, ours) = duplex(100);
        let (theirs, mut app) = duplex(100);
        let mut relay = Relay::new(ours, theirs);
        let sent: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let sending = tokio::spawn(async move {
            app.write_all(&sent).await.unwrap();
            app
        });
        let reading = tokio::spawn(async move {
            let mut came = vec![0; expected.len()];
            let mut visitor = visitor;
            visitor.read_exact(&mut came).await.unwrap();
            assert!(came == expected);
        });
        while !reading.is_finished() {
            tokio::select! {
                biased;
                _ = relay.carry() => break,
                () = tokio::task::yield_now() => {}
            }
        }
        reading.await.unwrap();
        drop(sending.await.unwrap());
    }
}
