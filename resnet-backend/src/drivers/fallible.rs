//! Shared code for devices that can be missing or fail.

use burn::tensor::backend::Backend;

use crate::{BackendError, Selection, Work, guard};

/// Runs the work on a device and returns a failure as an error.
pub(super) fn run<B: Backend, W: Work>(
    selection: Selection,
    device: B::Device,
    work: W,
) -> Result<W::Output, BackendError> {
    let failed = |reason| BackendError::Failed { selection, reason };
    guard::guarded(|| B::sync(&device))
        .map_err(failed)?
        .map_err(|error| failed(error.to_string()))?;
    guard::guarded(|| work.run::<B>(device)).map_err(failed)
}

/// Returns the device index if it is less than `count`.
pub(super) fn checked_index(index: usize, count: usize) -> Result<usize, String> {
    let devices = match count {
        1 => "1 device, index 0".into(),
        _ => format!("{count} devices, indices 0 to {}", count.saturating_sub(1)),
    };
    match index < count {
        true => Ok(index),
        false => Err(format!(
            "found no device {index}: the driver reports {devices}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_index_is_an_error_that_lists_the_valid_ones() {
        assert_eq!(checked_index(1, 2), Ok(1));
        let message = "found no device 3: the driver reports 1 device, index 0";
        assert_eq!(checked_index(3, 1), Err(message.into()));
        let message = "found no device 2: the driver reports 2 devices, indices 0 to 1";
        assert_eq!(checked_index(2, 2), Err(message.into()));
    }
}
