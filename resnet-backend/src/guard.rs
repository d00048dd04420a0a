//! Conversion of a driver's panic to an error.

#![cfg_attr(
    not(any(
        feature = "graphics",
        feature = "cuda",
        feature = "rocm",
        feature = "tch"
    )),
    allow(dead_code, reason = "CPU backends do not panic")
)]

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// The panic message of this thread while it is guarded.
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The panic messages of all Burn device threads since the program started.
static DEVICE_MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Runs the work and returns the message of a panic as an error, without printing it.
///
/// If a device thread of Burn panicked in the meantime, its message is returned, because it caused
/// the panic of this thread.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if is_device_thread() {
                device_messages().push(message(panic));
            } else if GUARDED.try_with(Cell::get).unwrap_or(false) {
                MESSAGE.set(Some(message(panic)));
            } else {
                previous(panic);
            }
        }));
    });
    let known = device_messages().len();
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|_| {
        let own = MESSAGE.take();
        let cause = device_messages().get(known).cloned();
        cause.or(own).unwrap_or_else(|| "no reason given".into())
    })
}

/// Returns whether this is a device thread of Burn, whose name starts with `DSU` or `DSD`.
fn is_device_thread() -> bool {
    let thread = thread::current();
    let name = thread.name().unwrap_or_default();
    name.starts_with("DSU") || name.starts_with("DSD")
}

fn device_messages() -> MutexGuard<'static, Vec<String>> {
    DEVICE_MESSAGES
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

fn message(panic: &PanicHookInfo<'_>) -> String {
    let text = panic.payload_as_str().unwrap_or("no reason given");
    let text = text.trim().replace('\n', " ");
    match panic.location() {
        Some(at) => format!("{text} ({}:{})", crate_path(at.file()), at.line()),
        None => text,
    }
}

/// Returns the path relative to the folder above the crate, because that folder depends on the
/// build machine.
fn crate_path(file: &str) -> &str {
    match file.find("/src/").and_then(|at| file[..at].rfind('/')) {
        Some(at) => &file[at + 1..],
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test for both cases. With two tests, one of them could return the device panic of the
    // other.
    #[test]
    fn a_panic_becomes_an_error_and_a_device_panic_is_the_cause() {
        assert_eq!(guarded(|| 1), Ok(1));
        let error = guarded(|| panic!("out of\nmemory")).unwrap_err();
        assert!(
            error.starts_with("out of memory (resnet-backend/src/guard.rs:"),
            "{error}"
        );
        let error = guarded(|| {
            let device = thread::Builder::new().name("DSD0-0-0".into());
            let lost = device.spawn(|| panic!("no driver")).unwrap().join();
            lost.expect("the device thread ended");
        });
        assert!(error.unwrap_err().starts_with("no driver ("));
    }
}
