//! The memory limit that all decoders of the process share.

use std::collections::VecDeque;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::memory::default_memory_limit;

static BUDGET: LazyLock<Budget> = LazyLock::new(|| Budget::new(default_memory_limit()));

/// Sets the memory limit of all decoders in this process together, in bytes.
///
/// A decoder reserves its memory before it allocates: the pixels, the working memory of the format,
/// and the file if the image comes from a path. If too little memory is free, the decoder waits for
/// other decoders to finish.
///
/// An image that exceeds the limit on its own is an error,
/// [`DecodeError::Memory`](crate::DecodeError::Memory). Decoded images that you keep do not count.
///
/// The default is [`default_memory_limit`].
///
/// ```
/// use resnet_image::{memory_limit, set_memory_limit};
///
/// set_memory_limit(512 << 20);
/// assert_eq!(memory_limit(), 512 << 20);
/// ```
pub fn set_memory_limit(bytes: u64) {
    BUDGET.lock().limit = bytes;
    BUDGET.changed.notify_all();
}

/// Returns the memory limit of all decoders in this process together, in bytes.
///
/// See [`set_memory_limit`].
pub fn memory_limit() -> u64 {
    BUDGET.lock().limit
}

struct Budget {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    limit: u64,
    used: u64,
    /// The waiting decoders in order of arrival, so that small images cannot starve a large one.
    queue: VecDeque<u64>,
    next: u64,
}

impl Budget {
    fn new(limit: u64) -> Self {
        let state = State {
            limit,
            used: 0,
            queue: VecDeque::new(),
            next: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason why a decoder gets no memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// The request exceeds the limit, which the variant contains.
    Never(u64),
    /// The request fits the limit, but other decoders hold the memory now.
    NotNow,
}

/// The reservation of one decoder, released on drop.
///
/// Only an empty share waits. A share that holds memory never waits, so that no deadlock can occur.
#[derive(Default)]
pub(super) struct Share {
    bytes: u64,
}

impl Share {
    /// Reserves more bytes. Waits for free memory only if this share is empty.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Refusal> {
        let mut state = BUDGET.lock();
        let wanted = self.bytes.saturating_add(bytes);
        if self.bytes > 0 {
            if wanted > state.limit {
                return Err(Refusal::Never(state.limit));
            }
            if bytes > state.limit.saturating_sub(state.used) {
                return Err(Refusal::NotNow);
            }
        } else {
            let turn = state.next;
            state.next += 1;
            state.queue.push_back(turn);
            let refused = loop {
                if wanted > state.limit {
                    break Some(Refusal::Never(state.limit));
                }
                let free = state.limit.saturating_sub(state.used);
                if state.queue.front() == Some(&turn) && wanted <= free {
                    break None;
                }
                let waited = BUDGET.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            };
            state.queue.retain(|&other| other != turn);
            BUDGET.changed.notify_all();
            if let Some(refusal) = refused {
                return Err(refusal);
            }
        }
        state.used += bytes;
        self.bytes = wanted;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            BUDGET.lock().used -= self.bytes;
            BUDGET.changed.notify_all();
        }
    }
}
