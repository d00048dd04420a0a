//! Items that worker threads prepare ahead of time.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::LoaderError;

/// An iterator over items that worker threads prepare ahead of time, in order: the batches of an
/// epoch.
pub struct Prefetch<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    /// Prepares an item.
    prepare: Box<dyn Fn(usize) -> T + Send + Sync>,
    total: usize,
    /// The maximum number of items waiting to be taken, which limits the memory.
    ahead: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// The next item that no worker has started.
    next: usize,
    /// The next item to return.
    taken: usize,
    ready: BTreeMap<usize, T>,
    stopped: bool,
    /// Whether a worker panicked, so that its item never arrives.
    broken: bool,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts worker threads that prepare the items of a range, at most `ahead` items in advance.
    pub(crate) fn start(
        workers: usize,
        ahead: usize,
        items: Range<usize>,
        prepare: impl Fn(usize) -> T + Send + Sync + 'static,
    ) -> Result<Self, LoaderError> {
        let shared = Arc::new(Shared {
            prepare: Box::new(prepare),
            total: items.end,
            ahead: ahead.max(1),
            state: Mutex::new(State {
                next: items.start,
                taken: items.start,
                ready: BTreeMap::new(),
                stopped: false,
                broken: false,
            }),
            changed: Condvar::new(),
        });
        let mut prefetch = Self {
            workers: Vec::new(),
            shared,
        };
        for found in 0..workers {
            let shared = Arc::clone(&prefetch.shared);
            let worker = thread::Builder::new().spawn(move || shared.work());
            prefetch.workers.push(worker.map_err(|source| LoaderError {
                expected: workers,
                found,
                source,
            })?);
        }
        Ok(prefetch)
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let _alarm = Alarm(self);
        let mut state = self.state();
        loop {
            if state.stopped || state.next >= self.total {
                return;
            }
            if state.next >= state.taken + self.ahead {
                state = self.wait(state);
                continue;
            }
            let place = state.next;
            state.next += 1;
            drop(state);
            let item = (self.prepare)(place);
            state = self.state();
            state.ready.insert(place, item);
            self.changed.notify_all();
        }
    }
}

/// Notifies the other threads when a worker panics.
struct Alarm<'a, T>(&'a Shared<T>);

impl<T> Drop for Alarm<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    /// # Panics
    ///
    /// Panics if a worker panicked.
    fn next(&mut self) -> Option<T> {
        let mut state = self.shared.state();
        if state.taken >= self.shared.total {
            return None;
        }
        loop {
            let place = state.taken;
            if let Some(item) = state.ready.remove(&place) {
                state.taken += 1;
                self.shared.changed.notify_all();
                return Some(item);
            }
            assert!(!state.broken, "a thread that prepares batches panicked");
            state = self.shared.wait(state);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.total.saturating_sub(self.shared.state().taken);
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Prefetch<T> {}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // The worker panicked: `next` has reported it.
            let _ = worker.join();
        }
    }
}

impl<T> fmt::Debug for Prefetch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetch")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}
