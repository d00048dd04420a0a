//! Running work on a selected backend.

use burn::tensor::backend::Backend;

use crate::{BackendError, BackendName, Selection};

/// Work that runs on any backend.
///
/// For training, use `burn::backend::Autodiff<B>` with the `B` of [`run`](Self::run).
pub trait Work {
    /// The result of the work.
    type Output;

    /// Runs the work on `device` of backend `B`.
    fn run<B: Backend>(self, device: B::Device) -> Self::Output;
}

/// Runs the work on the selected device, and never on another one.
///
/// Drivers and Burn report failures by a panic on any thread. This function catches the panic, so
/// the work must be unwind safe.
///
/// # Errors
///
/// Returns one of these errors:
///
/// - [`BackendError::NotBuilt`] if the program was built without the backend;
/// - [`BackendError::NoDevice`] if the machine does not have the device;
/// - [`BackendError::Failed`] if a GPU or LibTorch fails, at the start or during the work.
pub fn with_backend<W: Work>(selection: Selection, work: W) -> Result<W::Output, BackendError> {
    let name: BackendName = selection.backend;
    match name {
        #[cfg(feature = "cpu")]
        BackendName::Cpu => Ok(work.run::<crate::drivers::cpu::Cpu>(Default::default())),
        #[cfg(feature = "flex")]
        BackendName::Flex => Ok(work.run::<crate::drivers::cpu::Flex>(Default::default())),
        #[cfg(feature = "ndarray")]
        BackendName::NdArray => Ok(work.run::<crate::drivers::cpu::NdArray>(Default::default())),
        #[cfg(feature = "graphics")]
        BackendName::Wgpu | BackendName::Vulkan | BackendName::Metal | BackendName::WebGpu
            if name.is_built() =>
        {
            crate::drivers::graphics::run(selection, work)
        }
        #[cfg(feature = "cuda")]
        BackendName::Cuda => crate::drivers::cuda::run(selection, work),
        #[cfg(feature = "rocm")]
        BackendName::Rocm => crate::drivers::rocm::run(selection, work),
        #[cfg(feature = "tch")]
        BackendName::Tch => crate::drivers::tch::run(selection, work),
        #[allow(
            unreachable_patterns,
            reason = "reached where a backend is not built in"
        )]
        _ => {
            drop(work);
            Err(BackendError::NotBuilt { name })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl Work for Name {
        type Output = String;

        fn run<B: Backend>(self, device: B::Device) -> String {
            B::name(&device)
        }
    }

    #[test]
    fn a_backend_that_is_not_built_in_names_its_feature() {
        for &name in BackendName::ALL {
            match with_backend(name.into(), Name) {
                Err(BackendError::NotBuilt { .. }) => assert!(!name.is_built(), "{name}"),
                _ => assert!(name.is_built(), "{name}"),
            }
        }
        let error = BackendError::NotBuilt {
            name: BackendName::Rocm,
        };
        let text = "backend `rocm` is not built in: build the program with `--features rocm`";
        assert_eq!(error.to_string(), text);
    }
}
