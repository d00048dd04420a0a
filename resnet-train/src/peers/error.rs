//! The errors of data-parallel training.

use std::io;
use std::time::Duration;

use super::MEET_SECRET;

/// An error in the rendezvous or the connection of several processes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// Rank or world size is out of range.
    #[error(
        "expected a rank below the number of processes, 2 to 1024 of them, found rank {rank} of {count}"
    )]
    Rank {
        /// The rank.
        rank: usize,
        /// The world size.
        count: usize,
    },
    /// Rank 0 cannot listen on the address, or another process cannot reach it.
    #[error("`{address}`: expected an address where rank 0 waits for the others (`HOST:PORT`)")]
    Address {
        /// The address.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Other machines can reach the address, and there is no secret.
    #[error(
        "`{address}`: expected an address of this machine alone (127.0.0.1 or [::1]), as there is no secret, found one that others can reach; set {MEET_SECRET} to the same secret on all machines"
    )]
    Open {
        /// The address.
        address: String,
    },
    /// The secret is too short.
    #[error("{MEET_SECRET}: expected {least} bytes or more, found {found}; take a longer secret")]
    Secret {
        /// The minimum length in bytes.
        least: usize,
        /// The length in bytes.
        found: usize,
    },
    /// The operating system provides no random numbers.
    #[error("the operating system gives no random numbers")]
    Random(#[source] io::Error),
    /// Not all processes connected in time.
    #[error("`{address}`: expected {expected} processes within {} s, found {found} and {strangers} connections that did not prove to be of them; start the others with the same --meet, --ranks and {MEET_SECRET}", .patience.as_secs())]
    Missing {
        /// The address.
        address: String,
        /// The world size.
        expected: usize,
        /// The connected processes, including rank 0.
        found: usize,
        /// The timeout.
        patience: Duration,
        /// Other connections.
        strangers: usize,
    },
    /// Rank 0 rejects this process, or does not prove to be rank 0.
    #[error(
        "`{address}`: expected rank 0 to let this process in, found the connection closed; set the same {MEET_SECRET} for all, or for none, and start all with the same version"
    )]
    Refused {
        /// The address.
        address: String,
    },
    /// Another process has the rank.
    #[error(
        "expected rank {rank} to be free, found a process that has it; give each its own --rank"
    )]
    Taken {
        /// The rank.
        rank: usize,
    },
    /// A process has another version, start or config.
    #[error(
        "rank {rank} does not fit: expected {expected}, found {found}; start all with the same flags and files"
    )]
    Different {
        /// The rank.
        rank: usize,
        /// The expected greeting.
        expected: String,
        /// The received greeting.
        found: String,
    },
    /// A process ended or is no longer reachable.
    #[error(
        "rank {rank} is gone; the others cannot go on without it: start all again with --resume"
    )]
    Gone {
        /// The rank.
        rank: usize,
        /// The error of the operating system.
        source: io::Error,
    },
}
