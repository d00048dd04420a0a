//! Several processes that train one network, each on its share of every batch.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One of the processes, connected to the others: to all of them for the first, to the first for the others.
///
/// Every process takes the same step: gradients are summed up by the first, in the order of the ranks, and handed out. It is
/// written on sockets of the standard library, not on burn-collective 0.21: see decision 36.
#[derive(Debug)]
pub struct Peers {
    rank: usize,
    count: usize,
    links: Vec<TcpStream>,
}

/// Why processes cannot train together, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// The place makes no sense.
    #[error(
        "expected a rank below the number of processes, 2 to 1024 of them, found rank {rank} of {count}"
    )]
    Rank {
        /// The rank.
        rank: usize,
        /// The processes.
        count: usize,
    },
    /// The first process cannot wait for the others there, or another cannot reach it.
    #[error("`{address}`: expected an address where rank 0 waits for the others (`HOST:PORT`)")]
    Address {
        /// The address.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Not all of them came.
    #[error("`{address}`: expected {expected} processes within {} s, found {found}; start the others with the same --meet and --ranks", .patience.as_secs())]
    Missing {
        /// The address.
        address: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
        /// How long they were waited for.
        patience: Duration,
    },
    /// A process has another version, start or config.
    #[error(
        "rank {rank} does not fit: expected {expected}, found {found}; start all with the same flags and files"
    )]
    Different {
        /// The rank.
        rank: usize,
        /// What it should say.
        expected: String,
        /// What it says.
        found: String,
    },
    /// A process ended, or cannot be reached any more.
    #[error(
        "rank {rank} is gone; the others cannot go on without it: start all again with --resume"
    )]
    Gone {
        /// The rank.
        rank: usize,
        /// What the operating system says.
        source: io::Error,
    },
}

/// How long a process may take for a step before it counts as gone.
const SILENCE: Duration = Duration::from_secs(600);

/// The longest greeting.
const MAX_GREETING: u64 = 1024;

impl Peers {
    /// Meets the others: rank 0 waits at the address, the others go there. `greeting` must be the same for all; it tells the
    /// config and the start.
    ///
    /// # Errors
    ///
    /// If the address is of no use, not all come within `patience`, or one has another greeting.
    pub fn meet(
        address: &str,
        rank: usize,
        count: usize,
        greeting: &str,
        patience: Duration,
    ) -> Result<Self, PeersError> {
        if !(2..=1024).contains(&count) || rank >= count {
            return Err(PeersError::Rank { rank, count });
        }
        let links = match rank {
            0 => wait(address, count, greeting, patience)?,
            _ => vec![go(address, rank, count, greeting, patience)?],
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

/// What is said first: `RANK COUNT GREETING`.
fn greet(link: &mut TcpStream, rank: usize, count: usize, greeting: &str) -> io::Result<()> {
    let text = format!("{rank} {count} {greeting}");
    link.write_all(&(text.len() as u64).to_le_bytes())?;
    link.write_all(text.as_bytes())
}

fn greeted(link: &mut TcpStream) -> io::Result<String> {
    let mut length = [0; 8];
    link.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length).min(MAX_GREETING);
    let mut text = vec![0; length as usize];
    link.read_exact(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The links to all others, by their ranks.
fn wait(
    address: &str,
    count: usize,
    greeting: &str,
    patience: Duration,
) -> Result<Vec<TcpStream>, PeersError> {
    let failed = |source| PeersError::Address {
        address: address.into(),
        source,
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let start = Instant::now();
    let mut links: Vec<Option<TcpStream>> = (1..count).map(|_| None).collect();
    while links.iter().any(Option::is_none) {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(PeersError::Missing {
                address: address.into(),
                expected: count,
                found: 1 + links.iter().flatten().count(),
                patience,
            });
        }
        let Ok((mut link, _)) = listener.accept() else {
            sleep(Duration::from_millis(20));
            continue;
        };
        // Whoever else knocks at the port is not one of ours, and no reason to end.
        let heard = link
            .set_nonblocking(false)
            .and_then(|()| link.set_read_timeout(Some(left.min(Duration::from_secs(5)))))
            .and_then(|()| greeted(&mut link));
        let Ok(heard) = heard else { continue };
        let Some((rank, said)) = heard.split_once(' ') else {
            continue;
        };
        let Some(rank) = rank.parse().ok().filter(|rank| (1..count).contains(rank)) else {
            continue;
        };
        let expected = format!("{count} {greeting}");
        // It is told, so that both sides know.
        let _ = greet(&mut link, 0, count, greeting);
        if said != expected {
            return Err(PeersError::Different {
                rank,
                expected,
                found: said.into(),
            });
        }
        links[rank - 1] = Some(link);
    }
    Ok(links.into_iter().flatten().collect())
}

fn go(
    address: &str,
    rank: usize,
    count: usize,
    greeting: &str,
    patience: Duration,
) -> Result<TcpStream, PeersError> {
    let start = Instant::now();
    let mut link = loop {
        let places = address.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let link = places.and_then(|places| TcpStream::connect(&places[..]));
        match link {
            Ok(link) => break link,
            Err(source) if start.elapsed() >= patience => {
                return Err(PeersError::Address {
                    address: address.into(),
                    source,
                });
            }
            Err(_) => sleep(Duration::from_millis(50)),
        }
    };
    let gone = |source| PeersError::Gone { rank: 0, source };
    link.set_read_timeout(Some(patience.max(Duration::from_secs(1))))
        .map_err(gone)?;
    greet(&mut link, rank, count, greeting).map_err(gone)?;
    let heard = greeted(&mut link).map_err(gone)?;
    let expected = format!("0 {count} {greeting}");
    match heard == expected {
        true => Ok(link),
        false => Err(PeersError::Different {
            rank: 0,
            expected,
            found: heard,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A port that is free now.
    fn address() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    }

    fn meet(
        address: &str,
        rank: usize,
        greeting: &str,
        patience: u64,
    ) -> Result<Peers, PeersError> {
        Peers::meet(address, rank, 3, greeting, Duration::from_millis(patience))
    }

    #[test]
    fn three_processes_have_the_same_sums_again_and_again() {
        let address = address();
        let work = |rank: usize| {
            let address = address.clone();
            thread::spawn(move || {
                let mut peers = meet(&address, rank, "a", 20_000).unwrap();
                let mut sums = Vec::new();
                for step in 0..4 {
                    let mut values = vec![rank as f32, step as f32, 0.1];
                    peers.sum(&mut values).unwrap();
                    sums.push(values);
                }
                sums
            })
        };
        // The first comes last.
        let threads = [2, 1, 0].map(work);
        let sums = threads.map(|thread| thread.join().unwrap());
        assert!(sums[0] == sums[1] && sums[1] == sums[2]);
        assert_eq!(sums[0][3], [3.0, 9.0, 0.1 + 0.1 + 0.1]);
    }

    #[test]
    fn whoever_is_missing_different_or_gone_is_told() {
        let error = meet(&address(), 0, "a", 50).unwrap_err().to_string();
        assert!(
            error.contains("expected 3 processes within 0 s, found 1"),
            "{error}"
        );
        let error = meet(&address(), 1, "a", 50).unwrap_err().to_string();
        assert!(
            error.contains("expected an address where rank 0 waits"),
            "{error}"
        );
        assert!(matches!(
            meet("nowhere", 0, "a", 50),
            Err(PeersError::Address { .. })
        ));
        assert!(matches!(
            meet(&address(), 3, "a", 50),
            Err(PeersError::Rank { .. })
        ));

        let place = address();
        let other = thread::spawn({
            let place = place.clone();
            move || meet(&place, 2, "epochs 3", 20_000).unwrap_err().to_string()
        });
        let error = meet(&place, 0, "epochs 4", 20_000).unwrap_err().to_string();
        assert!(
            error.starts_with("rank 2 does not fit: expected 3 epochs 4, found 3 epochs 3"),
            "{error}"
        );
        let error = other.join().unwrap();
        assert!(error.starts_with("rank 0 does not fit"), "{error}");

        let place = address();
        let leave = |rank: usize| {
            let place = place.clone();
            thread::spawn(move || drop(meet(&place, rank, "a", 20_000).unwrap()))
        };
        let others = [1, 2].map(leave);
        let mut peers = meet(&place, 0, "a", 20_000).unwrap();
        for thread in others {
            thread.join().unwrap();
        }
        let error = peers.sum(&mut [1.0]).unwrap_err().to_string();
        assert!(error.starts_with("rank 1 is gone"), "{error}");
    }
}
