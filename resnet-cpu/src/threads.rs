//! rayon's threads, which all of this process share.

use std::env;
use std::hint::black_box;
use std::io;
use std::num::NonZero;
use std::sync::{LazyLock, mpsc};
use std::thread;

use rayon::{ThreadBuilder, ThreadPoolBuilder};

/// More threads than any machine has cores.
const MOST: usize = 1024;

/// How many threads work, this one where no other can be had.
pub(crate) fn count() -> usize {
    static STARTED: LazyLock<bool> = LazyLock::new(|| start(wanted()));
    if *STARTED {
        rayon::current_num_threads()
    } else {
        1
    }
}

/// As many as rayon would start, but for the limit.
fn wanted() -> usize {
    let number = env::var("RAYON_NUM_THREADS").ok();
    let number = number.and_then(|number| number.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    number
        .filter(|number| *number > 0)
        .unwrap_or_else(cores)
        .min(MOST)
}

/// Starts rayon's pool, unless it runs, with so many threads or as many as can be had, and tells whether there is a pool.
///
/// Left to itself rayon panics, then and ever after, where the system refuses a thread. So the threads are started first.
fn start(wanted: usize) -> bool {
    let started = (0..wanted).map_while(|_| has_room().then(wait)?);
    let mut threads: Vec<_> = started.collect();
    if threads.is_empty() {
        return false;
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads.len());
    let pool = pool.spawn_handler(|worker| {
        let thread = threads.pop();
        let taken = thread.is_some_and(|thread| thread.send(worker).is_ok());
        if taken {
            Ok(())
        } else {
            Err(io::ErrorKind::Other.into())
        }
    });
    // Where the pool runs already, this is an error, and the threads end.
    let _ = pool.build_global();
    true
}

/// Whether the process may still take far more memory than the threads that are starting need: std ends the program where
/// a new thread does not get its signal stack.
fn has_room() -> bool {
    const ROOM: usize = 64 << 20;
    let mut room = Vec::<u8>::new();
    let granted = room.try_reserve_exact(ROOM).is_ok();
    black_box(&room);
    granted
}

/// A thread that waits for what it is to do. It ends if nothing comes.
fn wait() -> Option<mpsc::Sender<ThreadBuilder>> {
    let (sender, receiver) = mpsc::channel::<ThreadBuilder>();
    let work = move || {
        if let Ok(worker) = receiver.recv() {
            worker.run();
        }
    };
    thread::Builder::new().spawn(work).is_ok().then_some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_runs_stays() {
        let threads = count();
        assert!((1..=MOST).contains(&threads));
        assert!(start(threads + 3));
        assert_eq!(count(), threads);
        assert!(!start(0));
    }
}
