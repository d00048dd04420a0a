//! Training with several processes, without encryption and without authentication, but for a shared secret that is proven
//! when they meet: for networks that you trust.

mod error;
mod go;
mod greeting;
mod wait;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

pub use error::PeersError;

/// One of several processes that train together, without encryption and without authentication, but for a
/// [secret](Self::meet_with) that is proven when they meet.
///
/// Rank 0 is connected to all others, each of them to rank 0.
///
/// Every process takes the same step: gradients are summed up by the first, in the order of the ranks, and handed out. It is
/// written on sockets of the standard library, not on burn-collective 0.21: see decision 36.
#[derive(Debug)]
pub struct Peers {
    rank: usize,
    count: usize,
    links: Vec<TcpStream>,
}

/// The environment variable in which the command looks for the secret.
pub const MEET_SECRET: &str = "RESNET_MEET_SECRET";

/// The fewest bytes of a secret.
const LEAST_SECRET: usize = 16;

/// How long a process may take for a step before it counts as gone.
const SILENCE: Duration = Duration::from_secs(600);

impl Peers {
    /// Meets the others on this machine, without a secret: see [`meet_with`](Self::meet_with).
    ///
    /// # Errors
    ///
    /// As [`meet_with`](Self::meet_with).
    pub fn meet(
        address: &str,
        rank: usize,
        count: usize,
        greeting: &str,
        patience: Duration,
    ) -> Result<Self, PeersError> {
        Self::meet_with(address, rank, count, greeting, patience, None)
    }

    /// Meets the others: rank 0 waits at the address, the others go there. `greeting` must be the same for all; it tells the
    /// config and the start. With a secret, each proves to rank 0 and rank 0 to each that it knows it, without saying it.
    ///
    /// Rank 0 passes over connections that are silent, say something else or do not know the secret. Without a secret, a
    /// process with another greeting may be a stranger too: rank 0 tells it so and waits on.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is of no use, or open to other machines while there is no secret; if the secret has
    /// fewer than 16 bytes; if not all come within `patience`, or one has another greeting.
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

    /// Makes sure that all processes stand alike, by a hexadecimal digest of where each stands.
    ///
    /// # Errors
    ///
    /// If one stands elsewhere, or is gone.
    pub fn agree(&mut self, digest: &str) -> Result<(), PeersError> {
        // Each digit and its square: their sums are those of equal digits only if all are.
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
                found: "another network, optimiser or position".into(),
            }),
        }
    }

    /// The place of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The sums over all processes, the same bits for each of them.
    ///
    /// # Errors
    ///
    /// If one of them is gone.
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
