//! The rendezvous of rank 0, which listens for the others. Foreign connections are ignored and do
//! not delay it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::PeersError;
use super::greeting::{CLAIM, Claim, HELLO, Talk, Verdict, cut, heard_hello, hello, nonce, rest};

/// The timeout of a handshake.
const HURRY: Duration = Duration::from_secs(10);

/// The maximum number of pending connections. A new connection replaces the oldest.
const MOST: usize = 128;

/// A connection in the handshake.
struct Guest {
    link: TcpStream,
    since: Instant,
    nonce: [u8; 32],
    /// The nonce of the other side, once received.
    other: Option<[u8; 32]>,
    heard: Vec<u8>,
}

/// The progress of a handshake.
enum Heard {
    Nothing,
    Claim(Claim),
    /// The connection is closed, too slow, or foreign.
    Stranger,
}

/// The listening side of the rendezvous.
pub(super) struct Door<'a> {
    pub(super) address: &'a str,
    pub(super) places: &'a [SocketAddr],
    pub(super) count: usize,
    pub(super) greeting: &'a str,
    pub(super) secret: &'a [u8],
    pub(super) patience: Duration,
}

impl Door<'_> {
    /// Waits for all other ranks and returns their connections, ordered by rank.
    pub(super) fn wait(&self) -> Result<Vec<TcpStream>, PeersError> {
        let failed = |source| PeersError::Address {
            address: self.address.into(),
            source,
        };
        let listener = TcpListener::bind(self.places).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let start = Instant::now();
        let mut links: Vec<Option<TcpStream>> = (1..self.count).map(|_| None).collect();
        let mut guests: Vec<Guest> = Vec::new();
        let mut strangers = 0;
        let mut different = None;
        while links.iter().any(Option::is_none) {
            if start.elapsed() >= self.patience {
                return Err(different.unwrap_or(PeersError::Missing {
                    address: self.address.into(),
                    expected: self.count,
                    found: 1 + links.iter().flatten().count(),
                    patience: self.patience,
                    strangers,
                }));
            }
            for _ in 0..MOST {
                let Ok((link, _)) = listener.accept() else {
                    break;
                };
                if guests.len() == MOST {
                    guests.remove(0);
                    strangers += 1;
                }
                guests.extend(Guest::new(link)?);
            }
            let mut waiting = Vec::new();
            for mut guest in guests {
                match guest.listen(self.secret) {
                    Heard::Nothing => waiting.push(guest),
                    Heard::Stranger => strangers += 1,
                    Heard::Claim(claim) => {
                        let error = self.judge(guest, claim, &mut links);
                        // Without a secret, the claim may come from a foreign process.
                        match error {
                            Some(error) if !self.secret.is_empty() => return Err(error),
                            error => different = error.or(different),
                        }
                    }
                }
            }
            guests = waiting;
            sleep(Duration::from_millis(10));
        }
        Ok(links.into_iter().flatten().collect())
    }

    /// Accepts a process or refuses it. Returns an error if its greeting differs.
    fn judge(
        &self,
        guest: Guest,
        claim: Claim,
        links: &mut [Option<TcpStream>],
    ) -> Option<PeersError> {
        let expected = format!("{} {}", self.count, cut(self.greeting));
        let found = format!("{} {}", claim.count, claim.greeting);
        let place = claim.rank.checked_sub(1).and_then(|at| links.get_mut(at));
        let Some(place) = place.filter(|_| expected == found) else {
            guest.answer(self, Verdict::Different);
            return Some(PeersError::Different {
                rank: claim.rank,
                expected,
                found,
            });
        };
        if place.as_ref().is_some_and(is_there) {
            guest.answer(self, Verdict::Taken);
            return None;
        }
        *place = guest.answer(self, Verdict::Welcome);
        None
    }
}

/// Returns whether a connection is still open. The other side sends nothing before all ranks are
/// connected.
fn is_there(link: &TcpStream) -> bool {
    let peek = link
        .set_nonblocking(true)
        .and_then(|()| link.peek(&mut [0]));
    let back = link.set_nonblocking(false);
    matches!(peek, Err(error) if error.kind() == ErrorKind::WouldBlock) && back.is_ok()
}

impl Guest {
    /// Returns `None` if the connection is already closed.
    fn new(link: TcpStream) -> Result<Option<Self>, PeersError> {
        let nonce = nonce()?;
        let set = link.set_nonblocking(true);
        Ok(set.is_ok().then(|| Self {
            link,
            since: Instant::now(),
            nonce,
            other: None,
            heard: Vec::with_capacity(HELLO),
        }))
    }

    fn listen(&mut self, secret: &[u8]) -> Heard {
        if self.since.elapsed() > HURRY {
            return Heard::Stranger;
        }
        match self.hear(secret) {
            Ok(Some(claim)) => Heard::Claim(claim),
            Ok(None) => Heard::Stranger,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Heard::Nothing,
            Err(_) => Heard::Stranger,
        }
    }

    /// Returns the claim once it is complete, or `None` for a foreign connection.
    fn hear(&mut self, secret: &[u8]) -> io::Result<Option<Claim>> {
        let other = match self.other {
            Some(other) => other,
            None => {
                self.fill(HELLO)?;
                let Some(other) = heard_hello(&self.heard) else {
                    return Ok(None);
                };
                self.heard.clear();
                self.link.write_all(&hello(&self.nonce))?;
                *self.other.insert(other)
            }
        };
        self.fill(CLAIM)?;
        let Some(rest) = rest(&self.heard[..CLAIM]) else {
            return Ok(None);
        };
        self.fill(CLAIM + rest)?;
        Ok(self.talk(secret, other).heard_claim(&self.heard))
    }

    fn talk<'a>(&self, secret: &'a [u8], other: [u8; 32]) -> Talk<'a> {
        Talk {
            secret,
            other,
            first: self.nonce,
        }
    }

    /// Reads until `length` bytes are there.
    fn fill(&mut self, length: usize) -> io::Result<()> {
        let mut bytes = [0; 256];
        while self.heard.len() < length {
            let most = (length - self.heard.len()).min(bytes.len());
            match self.link.read(&mut bytes[..most]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.heard.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends the verdict. Returns the connection, or `None` if sending fails.
    fn answer(mut self, door: &Door<'_>, verdict: Verdict) -> Option<TcpStream> {
        let talk = self.talk(door.secret, self.other?);
        let told = self
            .link
            .set_nonblocking(false)
            .and_then(|()| self.link.set_write_timeout(Some(HURRY)))
            .and_then(|()| self.link.write_all(&talk.verdict(verdict, door.greeting)));
        told.is_ok().then_some(self.link)
    }
}
