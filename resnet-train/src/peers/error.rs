//! Why processes do not train together.

use std::io;
use std::time::Duration;

use super::MEET_SECRET;

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
    /// Others than this machine can reach the address, and there is no secret.
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
        /// The fewest bytes.
        least: usize,
        /// Those of the secret.
        found: usize,
    },
    /// No random numbers can be had.
    #[error("the operating system gives no random numbers")]
    Random(#[source] io::Error),
    /// Not all of them came.
    #[error("`{address}`: expected {expected} processes within {} s, found {found} and {strangers} connections that did not prove to be of them; start the others with the same --meet, --ranks and {MEET_SECRET}", .patience.as_secs())]
    Missing {
        /// The address.
        address: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
        /// How long they were waited for.
        patience: Duration,
        /// Connections of others.
        strangers: usize,
    },
    /// Rank 0 does not take this process for one of its own, or proves not to be rank 0.
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
