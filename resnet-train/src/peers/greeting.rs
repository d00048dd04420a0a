//! The handshake between rank 0 and another process. Each side proves that it knows the secret.
//!
//! 1. The other process, then rank 0, sends [`MAGIC`] and a nonce.
//! 2. The other process sends rank, world size, length of the greeting, greeting, and an
//!    HMAC-SHA256 of the nonces and the message.
//! 3. Rank 0 sends its verdict, length of its greeting, its greeting, and an HMAC-SHA256 of the
//!    nonces and the message.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::PeersError;

/// The first bytes that a process sends. They contain the version of the protocol.
const MAGIC: [u8; 16] = *b"resnet-train 2\r\n";

/// Lengths in bytes: the first message, the header of a claim, the header of a verdict, and an
/// HMAC.
pub(super) const HELLO: usize = MAGIC.len() + 32;
pub(super) const CLAIM: usize = 6;
pub(super) const VERDICT: usize = 3;
pub(super) const PROOF: usize = 32;

/// The maximum length of a greeting in bytes.
pub(super) const LONGEST: usize = 1024;

/// The secret (empty if there is none) and the nonces of both sides.
#[derive(Clone)]
pub(super) struct Talk<'a> {
    pub(super) secret: &'a [u8],
    pub(super) other: [u8; 32],
    pub(super) first: [u8; 32],
}

/// The claim of a process: its rank, world size and greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) rank: usize,
    pub(super) count: usize,
    pub(super) greeting: String,
}

/// The answer of rank 0 to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verdict {
    Welcome = 1,
    Different = 2,
    Taken = 3,
}

pub(super) fn nonce() -> Result<[u8; 32], PeersError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| PeersError::Random(error.into()))?;
    Ok(nonce)
}

pub(super) fn hello(nonce: &[u8; 32]) -> Vec<u8> {
    [&MAGIC[..], nonce].concat()
}

/// Returns the nonce in a first message, or `None` if it is not a message of this protocol.
pub(super) fn heard_hello(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.strip_prefix(&MAGIC[..])?.try_into().ok()
}

/// Returns the length of a message after its header, which ends with the length of the greeting.
pub(super) fn rest(numbers: &[u8]) -> Option<usize> {
    let length = numbers.last_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    (length <= LONGEST).then_some(length + PROOF)
}

impl Talk<'_> {
    fn proof(&self, kind: &[u8], message: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret).ok()?;
        for part in [kind, &self.other, &self.first, message] {
            mac.update(part);
        }
        Some(mac)
    }

    fn signed(&self, kind: &[u8], mut message: Vec<u8>) -> Vec<u8> {
        if let Some(mac) = self.proof(kind, &message) {
            message.extend_from_slice(&mac.finalize().into_bytes());
        }
        message
    }

    /// Returns the message without its HMAC, or `None` if the HMAC does not match.
    fn proven<'b>(&self, kind: &[u8], bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (message, proof) = bytes.split_last_chunk::<PROOF>()?;
        self.proof(kind, message)?.verify_slice(proof).ok()?;
        Some(message)
    }

    pub(super) fn claim(&self, claim: &Claim) -> Vec<u8> {
        let greeting = cut(&claim.greeting);
        let numbers = [claim.rank, claim.count, greeting.len()];
        let mut message: Vec<u8> = numbers
            .into_iter()
            .flat_map(|number| (number as u16).to_le_bytes())
            .collect();
        message.extend_from_slice(greeting.as_bytes());
        self.signed(b"claim", message)
    }

    pub(super) fn heard_claim(&self, bytes: &[u8]) -> Option<Claim> {
        let message = self.proven(b"claim", bytes)?;
        let (numbers, greeting) = message.split_first_chunk::<CLAIM>()?;
        let number = |at: usize| usize::from(u16::from_le_bytes([numbers[at], numbers[at + 1]]));
        Some(Claim {
            rank: number(0),
            count: number(2),
            greeting: String::from_utf8_lossy(greeting).into_owned(),
        })
    }

    pub(super) fn verdict(&self, verdict: Verdict, greeting: &str) -> Vec<u8> {
        let greeting = cut(greeting);
        let mut message = vec![verdict as u8];
        message.extend((greeting.len() as u16).to_le_bytes());
        message.extend_from_slice(greeting.as_bytes());
        self.signed(b"verdict", message)
    }

    pub(super) fn heard_verdict(&self, bytes: &[u8]) -> Option<(Verdict, String)> {
        let message = self.proven(b"verdict", bytes)?;
        let (numbers, greeting) = message.split_first_chunk::<VERDICT>()?;
        let verdict = match numbers[0] {
            1 => Verdict::Welcome,
            2 => Verdict::Different,
            3 => Verdict::Taken,
            _ => return None,
        };
        Some((verdict, String::from_utf8_lossy(greeting).into_owned()))
    }
}

/// Truncates a greeting to [`LONGEST`] bytes.
pub(super) fn cut(greeting: &str) -> &str {
    &greeting[..greeting.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(secret: &[u8]) -> Talk<'_> {
        Talk {
            secret,
            other: [1; 32],
            first: [2; 32],
        }
    }

    #[test]
    fn only_who_knows_the_secret_is_believed() {
        let claim = Claim {
            rank: 3,
            count: 1024,
            greeting: "version ä".into(),
        };
        let bytes = talk(b"secret").claim(&claim);
        assert_eq!(rest(&bytes[..CLAIM]), Some(bytes.len() - CLAIM));
        assert_eq!(talk(b"secret").heard_claim(&bytes), Some(claim.clone()));
        assert_eq!(talk(b"other").heard_claim(&bytes), None);
        assert_eq!(talk(b"").heard_claim(&bytes), None);
        // Rejected: a changed bit, another nonce, a message of another kind, a truncated message.
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(talk(b"secret").heard_claim(&changed), None, "{at}");
        }
        let again = Talk {
            first: [3; 32],
            ..talk(b"secret")
        };
        assert_eq!(again.heard_claim(&bytes), None);
        assert_eq!(talk(b"secret").heard_verdict(&bytes), None);
        for length in 0..bytes.len() {
            assert_eq!(talk(b"secret").heard_claim(&bytes[..length]), None);
        }

        let bytes = talk(b"secret").verdict(Verdict::Taken, "x");
        assert_eq!(rest(&bytes[..VERDICT]), Some(bytes.len() - VERDICT));
        let heard = talk(b"secret").heard_verdict(&bytes);
        assert_eq!(heard, Some((Verdict::Taken, "x".into())));
    }

    #[test]
    fn strangers_are_told_by_their_first_bytes() {
        assert_eq!(heard_hello(&hello(&[7; 32])), Some([7; 32]));
        assert_eq!(heard_hello(b"GET / HTTP/1.1"), None);
        assert_eq!(rest(&[0, 0, 0, 0, 255, 255]), None);
        assert_eq!(cut(&"ä".repeat(1000)).len(), LONGEST);
    }
}
