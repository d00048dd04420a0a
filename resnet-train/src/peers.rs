//! Data-parallel training with several processes. The connections are not encrypted. A shared
//! secret authenticates the processes at the rendezvous only, so use networks that you trust.

mod error;
mod go;
mod greeting;
mod wait;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

pub use error::PeersError;

/// The connections of one process to the others in data-parallel training. They are not encrypted;
/// a [secret](Self::meet_with) authenticates the processes at the rendezvous only.
///
/// Rank 0 is connected to all other ranks. It sums the gradients in the order of the ranks and
/// sends the sums back, so every process takes the same step. The implementation uses sockets of
/// the standard library, not burn-collective 0.21: see decision 36.
#[derive(Debug)]
pub struct Peers {
    rank: usize,
    count: usize,
    links: Vec<TcpStream>,
}

/// The environment variable from which the command reads the secret.
pub const MEET_SECRET: &str = "RESNET_MEET_SECRET";

/// The minimum length of a secret in bytes.
const LEAST_SECRET: usize = 16;

/// The timeout of a step.
const SILENCE: Duration = Duration::from_secs(600);

impl Peers {
    /// Connects to the other processes on this machine, without a secret: see
    /// [`meet_with`](Self::meet_with).
    ///
    /// # Errors
    ///
    /// Returns an error like [`meet_with`](Self::meet_with).
    pub fn meet(
        address: &str,
        rank: usize,
        count: usize,
        greeting: &str,
        patience: Duration,
    ) -> Result<Self, PeersError> {
        Self::meet_with(address, rank, count, greeting, patience, None)
    }

    /// Connects to the other processes: rank 0 listens on `address`, all other ranks connect to it.
    /// `greeting` identifies config and start, and must be equal in all processes. With a secret,
    /// rank 0 and each other process prove to each other that they know it, without sending it.
    ///
    /// Rank 0 ignores connections that are silent, send other data or do not know the secret.
    /// Without a secret, rank 0 refuses a process with another greeting and continues to wait.
    ///
    /// # Errors
    ///
    /// Returns an error in these cases:
    ///
    /// - The address is invalid, or other machines can reach it and there is no secret.
    /// - The secret has fewer than 16 bytes.
    /// - A process is missing after `patience`, or has another greeting.
    pub fn meet_with(
        address: &str,
        rank: usize,
        count: usize,
        greeting: &str,
        patience: Duration,
        secret: Option<&[u8]>,
    ) -> Result<Self, PeersError> {
        if !(2..=1024).contains(&count) || rank >= count {
            return Err(PeersError::Rank { rank, count });
        }
        if let Some(found) = secret
            .map(<[u8]>::len)
            .filter(|found| *found < LEAST_SECRET)
        {
            let least = LEAST_SECRET;
            return Err(PeersError::Secret { least, found });
        }
        let failed = |source| PeersError::Address {
            address: address.into(),
            source,
        };
        let resolved: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
        let here = |place: &SocketAddr| place.ip().to_canonical().is_loopback();
        if secret.is_none() && !resolved.iter().all(here) {
            let address = address.into();
            return Err(PeersError::Open { address });
        }
        let secret = secret.unwrap_or_default();
        let links = match rank {
            0 => wait::Door {
                address,
                places: &resolved,
                count,
                greeting,
                secret,
                patience,
            }
            .wait()?,
            _ => vec![
                go::Way {
                    address,
                    rank,
                    count,
                    greeting,
                    secret,
                    patience,
                }
                .go(&resolved)?,
            ],
        };
        for link in &links {
            let set = link
                .set_nodelay(true)
                .and_then(|()| link.set_read_timeout(Some(SILENCE)))
                .and_then(|()| link.set_write_timeout(Some(SILENCE)));
            set.map_err(|source| PeersError::Gone { rank, source })?;
        }
        Ok(Self { rank, count, links })
    }

    /// Checks that a hexadecimal digest is equal in all processes.
    ///
    /// # Errors
    ///
    /// Returns an error if a digest differs or a connection fails.
    pub fn agree(&mut self, digest: &str) -> Result<(), PeersError> {
        // Sums each digit and its square over the processes: both match only if all digits are
        // equal.
        let digits = digest.chars().filter_map(|digit| digit.to_digit(16));
        let own: Vec<f32> = digits
            .take(64)
            .flat_map(|digit| [digit as f32, (digit * digit) as f32])
            .collect();
        let mut sums = own.clone();
        self.sum(&mut sums)?;
        let count = self.count as f32;
        match own.iter().zip(&sums).all(|(own, sum)| own * count == *sum) {
            true => Ok(()),
            false => Err(PeersError::Different {
                rank: self.rank,
                expected: "the start of the others".into(),
                found: "another network, optimizer or position".into(),
            }),
        }
    }

    /// Returns the rank of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the world size.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Sums values over all processes (all-reduce). All processes get the same bits.
    ///
    /// # Errors
    ///
    /// Returns an error if a connection fails.
    pub fn sum(&mut self, values: &mut [f32]) -> Result<(), PeersError> {
        let gone = |rank| move |source| PeersError::Gone { rank, source };
        let mut bytes = vec![0; 4 * values.len()];
        if self.rank > 0 {
            let link = &mut self.links[0];
            put(&mut bytes, values);
            link.write_all(&bytes).map_err(gone(0))?;
            link.read_exact(&mut bytes).map_err(gone(0))?;
            values.copy_from_slice(&floats(&bytes).collect::<Vec<f32>>());
            return Ok(());
        }
        for (place, link) in self.links.iter_mut().enumerate() {
            link.read_exact(&mut bytes).map_err(gone(place + 1))?;
            for (value, other) in values.iter_mut().zip(floats(&bytes)) {
                *value += other;
            }
        }
        put(&mut bytes, values);
        for (place, link) in self.links.iter_mut().enumerate() {
            link.write_all(&bytes).map_err(gone(place + 1))?;
        }
        Ok(())
    }
}

fn put(bytes: &mut [u8], values: &[f32]) {
    for (bytes, value) in bytes.chunks_exact_mut(4).zip(values) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(float)
}

#[cfg(test)]
mod tests;
