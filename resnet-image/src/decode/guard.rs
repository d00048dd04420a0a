//! Conversion of decoder panics to errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::DecodeError;

/// Runs a decoder and converts a panic to [`DecodeError::Malformed`].
///
/// Known causes of panics are fixed or rejected earlier. The panic hook still writes its message to
/// standard error. Hooks belong to the whole process, so a temporary replacement would also silence
/// other threads.
///
/// No state is reused after a panic: decoders own their state, and dropping a job releases its
/// reserved memory.
pub(super) fn guard<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        let what = format!("the decoder failed: {}", message(&*panic));
        Err(DecodeError::broken(format, what))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref().map(String::as_str);
    let message = panic.downcast_ref::<&str>().copied().or_else(owned);
    message.unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_become_errors_of_the_image() {
        let error = guard::<()>("GIF", || panic!("index {} is out of range", 7)).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the decoder failed: index 7 is out of range");
        guard::<()>("GIF", || panic!("plain")).unwrap_err();
        assert_eq!(guard("GIF", || Ok(3)).unwrap(), 3);
    }
}
