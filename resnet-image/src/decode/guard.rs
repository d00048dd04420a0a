//! A panic of a decoder is an error of its image, not the end of the process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::DecodeError;

/// Runs a decoder, and turns its panic into [`DecodeError::Malformed`].
///
/// Causes that are known are fixed or refused before this point. The panic hook still writes its message to standard
/// error: hooks belong to the whole process, so replacing one for a call would also silence other threads.
///
/// Nothing that a panic leaves half done is used again: decoders own their state, and the memory that a job has
/// reserved is given back when the job is dropped.
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
    fn panics_are_errors_of_the_image() {
        let error = guard::<()>("GIF", || panic!("index {} is out of range", 7)).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "the decoder failed: index 7 is out of range");
        guard::<()>("GIF", || panic!("plain")).unwrap_err();
        assert_eq!(guard("GIF", || Ok(3)).unwrap(), 3);
    }
}
