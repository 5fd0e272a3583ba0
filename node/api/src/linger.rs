//! The end of a connection whose peer may still be sending what was refused (RFC 9112 section 9.6).
//!
//! A socket that is closed with unread octets in it resets the connection, and the peer's system forgets the
//! answer with it. So what still comes is read and dropped for a while, once all was said.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Octets that are read and dropped: many programs send a whole body before they read a word. One that is
/// larger comes from a client that asks before it sends (`Expect: 100-continue`), or sends in pieces.
const LINGER_MAX: usize = 64 * 1024 * 1024;
/// How long they may come: 64 MiB take so long on a line of 18 Mbit/s.
const LINGER_TIME_MAX: Duration = Duration::from_secs(30);
/// A peer that sends nothing for so long has read the answer, or never will.
const LINGER_SILENCE_MAX: Duration = Duration::from_secs(5);
/// Octets of one read: a record of TLS.
const READ_MAX: usize = 16 * 1024;

/// What is still read of a connection.
#[derive(Debug)]
pub(crate) struct Linger {
    left: usize,
    ends_at: Instant,
    silence: Pin<Box<Sleep>>,
}

impl Linger {
    /// Begins now.
    pub(crate) fn new() -> Self {
        Self {
            left: LINGER_MAX,
            ends_at: Instant::now() + LINGER_TIME_MAX,
            silence: Box::pin(sleep(LINGER_SILENCE_MAX)),
        }
    }

    /// Ready when the peer has ended too, or enough was read.
    pub(crate) fn poll(
        &mut self,
        mut stream: Pin<&mut (impl AsyncRead + ?Sized)>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.silence.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut octets = [MaybeUninit::uninit(); READ_MAX];
            let mut octets = ReadBuf::uninit(&mut octets);
            match stream.as_mut().poll_read(cx, &mut octets) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if octets.filled().is_empty() => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {}
            }
            let Some(left) = self.left.checked_sub(octets.filled().len()) else {
                return Poll::Ready(());
            };
            self.left = left;
            self.silence.as_mut().reset(self.ends_at.min(Instant::now() + LINGER_SILENCE_MAX));
        }
    }
}

/// Reads and drops what a peer still sends.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let mut linger = Linger::new();
    std::future::poll_fn(|cx| linger.poll(Pin::new(&mut *stream), cx)).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_peer_with_silence_and_with_enough() {
        let (mut near, far) = duplex(READ_MAX);
        drop(far);
        let begun = Instant::now();
        linger(&mut near).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "the peer is gone");

        let (mut near, mut far) = duplex(READ_MAX);
        far.write_all(b"more").await.expect("it is taken");
        linger(&mut near).await;
        assert_eq!(begun.elapsed(), LINGER_SILENCE_MAX);

        let (mut near, mut far) = duplex(READ_MAX);
        let begun = Instant::now();
        let sender = tokio::spawn(async move {
            while far.write_all(b"more").await.is_ok() {
                tokio::time::sleep(LINGER_SILENCE_MAX / 2).await;
            }
        });
        linger(&mut near).await;
        assert_eq!(begun.elapsed(), LINGER_TIME_MAX, "a peer that never ends");
        drop(near);
        sender.await.expect("it hears of the end");

        let (mut near, mut far) = duplex(READ_MAX);
        let begun = Instant::now();
        let sender = tokio::spawn(async move {
            let mut sent = 0;
            while far.write_all(&[0; READ_MAX]).await.is_ok() {
                sent += READ_MAX;
            }
            sent
        });
        linger(&mut near).await;
        drop(near);
        let sent = sender.await.expect("it hears of the end");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!((LINGER_MAX..LINGER_MAX + 4 * READ_MAX).contains(&sent), "{sent}");
    }
}
