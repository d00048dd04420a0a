//! rayon's global thread pool. The whole process shares it.

use std::env;
use std::hint::black_box;
use std::io;
use std::num::NonZero;
use std::sync::{LazyLock, mpsc};
use std::thread;

use rayon::{ThreadBuilder, ThreadPoolBuilder};

/// Largest number of threads to start.
const MOST: usize = 1024;

/// Returns the number of threads, or 1 for the calling thread if the system grants no threads.
pub(crate) fn count() -> usize {
    static STARTED: LazyLock<bool> = LazyLock::new(|| start(wanted()));
    if *STARTED {
        rayon::current_num_threads()
    } else {
        1
    }
}

/// Returns the number of threads that rayon would start, at most [`MOST`].
fn wanted() -> usize {
    let number = env::var("RAYON_NUM_THREADS").ok();
    let number = number.and_then(|number| number.parse().ok());
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    number
        .filter(|number| *number > 0)
        .unwrap_or_else(cores)
        .min(MOST)
}

/// Starts rayon's pool with `wanted` threads, or as many as the system grants. Returns whether a
/// pool runs.
///
/// rayon panics at every later use if the system refuses a thread. So this function starts the
/// threads first and then passes them to rayon.
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
    // If a pool already runs, this is an error, and the new threads end.
    let _ = pool.build_global();
    true
}

/// Returns whether the process can allocate far more memory than new threads need.
///
/// std aborts the process if a new thread cannot allocate its signal stack.
fn has_room() -> bool {
    const ROOM: usize = 64 << 20;
    let mut room = Vec::<u8>::new();
    let granted = room.try_reserve_exact(ROOM).is_ok();
    black_box(&room);
    granted
}

/// Starts a thread that waits for its rayon worker. The thread ends if the sender is dropped.
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
    fn a_second_start_keeps_the_running_pool() {
        let threads = count();
        assert!((1..=MOST).contains(&threads));
        assert!(start(threads + 3));
        assert_eq!(count(), threads);
        assert!(!start(0));
    }
}
