//! A driver's panic as an error.

#![cfg_attr(
    not(any(
        feature = "graphics",
        feature = "cuda",
        feature = "rocm",
        feature = "tch"
    )),
    allow(dead_code, reason = "backends on the processor do not panic")
)]

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// What this thread said while it was guarded.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What Burn's threads for devices said, all of them since the program began.
static OF_DEVICES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Does the work and gives a panic in it as its words: those of a device's thread, where one panicked in the meantime,
/// as this thread's panic follows from it. Nothing is printed then.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if is_of_a_device() {
                of_devices().push(words(panic));
            } else if GUARDED.try_with(Cell::get).unwrap_or(false) {
                WORDS.set(Some(words(panic)));
            } else {
                previous(panic);
            }
        }));
    });
    let said = of_devices().len();
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|_| {
        let own = WORDS.take();
        let cause = of_devices().get(said).cloned();
        cause.or(own).unwrap_or_else(|| "no reason given".into())
    })
}

/// Burn calls its threads for devices `DSU-…` and `DSD-…`.
fn is_of_a_device() -> bool {
    let thread = thread::current();
    let name = thread.name().unwrap_or_default();
    name.starts_with("DSU") || name.starts_with("DSD")
}

fn of_devices() -> MutexGuard<'static, Vec<String>> {
    OF_DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words(panic: &PanicHookInfo<'_>) -> String {
    let text = panic.payload_as_str().unwrap_or("no reason given");
    let text = text.trim().replace('\n', " ");
    match panic.location() {
        Some(at) => format!("{text} ({}:{})", crate_path(at.file()), at.line()),
        None => text,
    }
}

/// From the crate's folder on: what comes before is of the machine that built the program.
fn crate_path(file: &str) -> &str {
    match file.find("/src/").and_then(|at| file[..at].rfind('/')) {
        Some(at) => &file[at + 1..],
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test: a panic of a device is taken for the cause by every guard of the moment.
    #[test]
    fn a_panic_becomes_its_words_and_that_of_a_device_is_the_cause() {
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
