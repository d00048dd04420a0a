//! The batches of an epoch, which worker threads prepare ahead of time.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::LoaderError;
use super::plan::Plan;
use crate::Batch;

/// An iterator over the batches of an epoch, in order.
#[derive(Debug)]
pub struct Batches {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    order: Vec<usize>,
    epoch: u64,
    /// The first batch to prepare.
    first: usize,
    total: usize,
    /// The maximum number of batches waiting to be taken, which limits the memory.
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next batch that no worker has started.
    next: usize,
    /// The next batch to return.
    taken: usize,
    ready: BTreeMap<usize, Batch>,
    stopped: bool,
    /// Whether a worker panicked, so that its batch never arrives.
    broken: bool,
}

impl Batches {
    /// Starts the worker threads for the batches of an epoch from `first` on.
    pub(super) fn start(
        plan: &Arc<Plan>,
        workers: usize,
        epoch: u64,
        first: usize,
    ) -> Result<Self, LoaderError> {
        let shared = Arc::new(Shared {
            order: plan.sampling.order(&plan.dataset, plan.seed, epoch),
            total: plan.len(),
            plan: Arc::clone(plan),
            epoch,
            first,
            ahead: workers.saturating_mul(2),
            state: Mutex::new(State {
                next: first,
                taken: first,
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let mut batches = Self {
            workers: Vec::new(),
            shared,
        };
        for found in 0..workers {
            let shared = Arc::clone(&batches.shared);
            let worker = thread::Builder::new().spawn(move || shared.work());
            batches.workers.push(worker.map_err(|source| LoaderError {
                expected: workers,
                found,
                source,
            })?);
        }
        Ok(batches)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self, place: usize) -> Batch {
        let mut batch = self.plan.batch(&self.order, self.epoch, place);
        if place == self.first && self.plan.share[0] == 0 {
            let known = self.plan.dataset.unreadable().iter().cloned();
            batch.bad.splice(..0, known);
        }
        batch
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
            let batch = self.batch(place);
            state = self.state();
            state.ready.insert(place, batch);
            self.changed.notify_all();
        }
    }
}

/// Notifies the other threads when a worker panics.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl Iterator for Batches {
    type Item = Batch;

    /// # Panics
    ///
    /// Panics if a worker panicked.
    fn next(&mut self) -> Option<Batch> {
        let mut state = self.shared.state();
        if state.taken >= self.shared.total {
            return None;
        }
        loop {
            let place = state.taken;
            if let Some(batch) = state.ready.remove(&place) {
                state.taken += 1;
                self.shared.changed.notify_all();
                return Some(batch);
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

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // The worker panicked: `next` has reported it.
            let _ = worker.join();
        }
    }
}
