//! One module a kind of device: its Burn backend, what the machine has of it, how a device is opened.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(feature = "graphics")]
pub(crate) mod graphics;
#[cfg(feature = "rocm")]
pub(crate) mod rocm;
#[cfg(feature = "tch")]
pub(crate) mod tch;

#[cfg(any(
    feature = "graphics",
    feature = "cuda",
    feature = "rocm",
    feature = "tch"
))]
use burn::tensor::backend::Backend;

#[cfg(any(
    feature = "graphics",
    feature = "cuda",
    feature = "rocm",
    feature = "tch"
))]
use crate::{BackendError, Selection, Work, guard};

/// Does the work on a device that may fail.
#[cfg(any(
    feature = "graphics",
    feature = "cuda",
    feature = "rocm",
    feature = "tch"
))]
fn run_guarded<B: Backend, W: Work>(
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
