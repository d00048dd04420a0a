//! The rendezvous of the other ranks, which connect to rank 0.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::PeersError;
use super::greeting::{Claim, HELLO, Talk, VERDICT, Verdict, cut, heard_hello, hello, nonce, rest};

/// The address of rank 0, and the claim of this process.
pub(super) struct Way<'a> {
    pub(super) address: &'a str,
    pub(super) rank: usize,
    pub(super) count: usize,
    pub(super) greeting: &'a str,
    pub(super) secret: &'a [u8],
    pub(super) patience: Duration,
}

impl Way<'_> {
    /// Connects to rank 0.
    pub(super) fn go(&self, places: &[SocketAddr]) -> Result<TcpStream, PeersError> {
        let start = Instant::now();
        loop {
            let left = self.patience.saturating_sub(start.elapsed());
            let hurry = left.clamp(Duration::from_millis(100), Duration::from_secs(10));
            match self.meet(places, hurry) {
                Ok((link, talk)) => return self.claim(link, &talk?),
                // Rank 0 does not listen yet, or another program uses its port.
                Err(source) if left.is_zero() => {
                    return Err(PeersError::Address {
                        address: self.address.into(),
                        source,
                    });
                }
                Err(_) => sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Connects and exchanges nonces.
    #[allow(
        clippy::type_complexity,
        reason = "separates errors to retry from others"
    )]
    fn meet(
        &self,
        places: &[SocketAddr],
        hurry: Duration,
    ) -> io::Result<(TcpStream, Result<Talk<'_>, PeersError>)> {
        let mut link = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for place in places {
            link = TcpStream::connect_timeout(place, hurry);
            if link.is_ok() {
                break;
            }
        }
        let mut link = link?;
        link.set_read_timeout(Some(hurry))?;
        link.set_write_timeout(Some(hurry))?;
        let other = match nonce() {
            Ok(nonce) => nonce,
            Err(error) => return Ok((link, Err(error))),
        };
        link.write_all(&hello(&other))?;
        let mut bytes = [0; HELLO];
        link.read_exact(&mut bytes)?;
        let first = heard_hello(&bytes);
        let first = first.ok_or_else(|| io::Error::other("there is no rank 0 of this version"))?;
        let talk = Talk {
            secret: self.secret,
            other,
            first,
        };
        Ok((link, Ok(talk)))
    }

    fn claim(&self, mut link: TcpStream, talk: &Talk<'_>) -> Result<TcpStream, PeersError> {
        let claim = Claim {
            rank: self.rank,
            count: self.count,
            greeting: self.greeting.into(),
        };
        let refused = || PeersError::Refused {
            address: self.address.into(),
        };
        let heard = link
            .write_all(&talk.claim(&claim))
            .and_then(|()| verdict(&mut link));
        let heard = heard.ok().and_then(|bytes| talk.heard_verdict(&bytes));
        match heard.ok_or_else(refused)? {
            (Verdict::Welcome, _) => Ok(link),
            (Verdict::Taken, _) => Err(PeersError::Taken { rank: self.rank }),
            (Verdict::Different, greeting) => Err(PeersError::Different {
                rank: 0,
                expected: format!("{} {}", self.count, cut(self.greeting)),
                found: format!("other flags, or {greeting}"),
            }),
        }
    }
}

fn verdict(link: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; VERDICT];
    link.read_exact(&mut bytes)?;
    let rest = rest(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    bytes.resize(VERDICT + rest, 0);
    link.read_exact(&mut bytes[VERDICT..])?;
    Ok(bytes)
}
