//! SHA-256 hashes and their known first digits.

use std::fmt::Write;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The known digits of a file's SHA-256: at least the first 8, at most all 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin(String);

impl Pin {
    pub(super) fn new(digits: &str) -> Option<Self> {
        let fits = (8..=64).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        fits.then(|| Self(digits.to_ascii_lowercase()))
    }

    /// Accepts all 64 digits only.
    pub(super) fn whole(digits: &str) -> Option<Self> {
        Self::new(digits).filter(|pin| pin.0.len() == 64)
    }

    pub(super) fn matches(&self, sha256: &str) -> bool {
        sha256.starts_with(&self.0)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A SHA-256 hash that is updated as bytes arrive.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Sha256);

impl Running {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Reads to the end and returns the number of bytes.
    pub(super) fn read(&mut self, mut from: impl Read) -> io::Result<u64> {
        let mut buffer = vec![0; 1 << 18];
        let mut total = 0;
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(count) => {
                    self.update(&buffer[..count]);
                    total += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn hex(&self) -> String {
        let digest = self.0.clone().finalize();
        digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

pub(super) fn sha256(from: impl Read) -> io::Result<String> {
    let mut running = Running::default();
    running.read(from)?;
    Ok(running.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_abc_matches_the_standard() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&b"abc"[..]).unwrap(), expected);
        assert!(Pin::new("BA7816BF").unwrap().matches(expected));
        assert!(!Pin::new("ba7816b0").unwrap().matches(expected));
        assert!(Pin::whole(expected).is_some());
    }

    #[test]
    fn pin_is_eight_to_sixty_four_hexadecimal_digits() {
        for digits in ["", "1234567", "1234567g", "é234567"] {
            assert_eq!(Pin::new(digits), None, "{digits}");
        }
        assert_eq!(Pin::new(&"a".repeat(65)), None);
        assert_eq!(Pin::whole("12345678"), None);
    }
}
