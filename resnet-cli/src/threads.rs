//! The thread pool shared by image decoding and the CPU backends.

use std::env;
use std::hint::black_box;
use std::io;
use std::num::NonZero;
use std::thread;

use anyhow::{Context, Result, ensure};
use rayon::ThreadPoolBuilder;

const NAME: &str = "RAYON_NUM_THREADS";

/// Maximum number of threads, or the number of cores if that is larger.
const MOST: usize = 1024;

/// Starts rayon's global thread pool: one thread per core, or `RAYON_NUM_THREADS`.
///
/// Call it first: otherwise rayon starts the pool at its first use, and panics if the system
/// refuses a thread.
///
/// # Errors
///
/// Returns an error if the variable is not a number or too large, or if the system refuses a
/// thread.
pub(crate) fn start_threads() -> Result<()> {
    let threads = match env::var_os(NAME) {
        Some(value) => parse(&value.to_string_lossy(), cores())?,
        None => 0,
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.spawn_handler(|worker| {
        check_room()?;
        thread::Builder::new().spawn(|| worker.run()).map(drop)
    });
    pool.build_global().with_context(|| match threads {
        0 => format!("cannot start {} threads; set {NAME} to fewer", cores()),
        threads => format!("cannot start {threads} threads; set {NAME} to fewer"),
    })
}

/// Checks that the process can allocate far more memory than a new thread needs: std aborts the
/// program if it cannot allocate the signal stack of a thread.
fn check_room() -> io::Result<()> {
    const ROOM: usize = 64 << 20;
    let mut room = Vec::<u8>::new();
    let granted = room.try_reserve_exact(ROOM);
    black_box(&room);
    granted.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Parses the variable. Empty text and 0 mean one thread per core.
fn parse(value: &str, cores: usize) -> Result<usize> {
    let most = MOST.max(cores);
    let value = value.trim();
    let number = match value {
        "" => Some(0),
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    ensure!(
        number.is_some_and(|number| number <= most),
        "{NAME}: expected a number of threads from 1 to {most}, found `{value}`"
    );
    Ok(number.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_within_the_limit_are_accepted() {
        for (value, number) in [("", 0), ("0", 0), ("1", 1), (" 16 ", 16), ("1024", 1024)] {
            assert_eq!(parse(value, 2).unwrap(), number);
        }
        assert_eq!(parse("4096", 4096).unwrap(), 4096);
        for value in [
            "1025",
            "1000000",
            "18446744073709551616",
            "-1",
            "+1",
            "two",
            "1.5",
        ] {
            let error = parse(value, 2).unwrap_err().to_string();
            let expected = format!(
                "RAYON_NUM_THREADS: expected a number of threads from 1 to 1024, found `{value}`"
            );
            assert_eq!(error, expected);
        }
    }
}
