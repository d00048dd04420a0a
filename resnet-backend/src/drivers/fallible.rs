//! What devices that may be missing, or fail, have in common.

use burn::tensor::backend::Backend;

use crate::{BackendError, Selection, Work, guard};

/// Does the work on a device that may fail.
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

/// `index`, if there are that many.
pub(super) fn numbered(index: usize, count: usize) -> Result<usize, String> {
    let devices = match count {
        1 => "1 device, number 0".into(),
        _ => format!("{count} devices, numbers 0 to {}", count.saturating_sub(1)),
    };
    match index < count {
        true => Ok(index),
        false => Err(format!(
            "there is no number {index}: the driver shows {devices}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_is_told_with_those_that_are_there() {
        assert_eq!(numbered(1, 2), Ok(1));
        let message = "there is no number 3: the driver shows 1 device, number 0";
        assert_eq!(numbered(3, 1), Err(message.into()));
        let message = "there is no number 2: the driver shows 2 devices, numbers 0 to 1";
        assert_eq!(numbered(2, 2), Err(message.into()));
    }
}
