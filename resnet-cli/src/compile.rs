//! Compiled networks, which replace Burn's on the backend `cpu`.

use anyhow::{Result, ensure};
use burn::tensor::TensorData;
use clap::Args;
use resnet_backend::{BackendName, Selection};
use resnet_engine::{Batch, CompileOptions, MemoryMode, Outputs, RunError, Session};
use resnet_image::Preprocessing;
use resnet_weights::FloatType;

/// The memory mode of compiled networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct CompileFlags {
    /// Memory of the network on the backend `cpu`. `fast`: the fastest algorithms, whose weights take
    /// up to four times their size; `low`: no more than the weights.
    #[arg(
        long = "memory",
        value_name = "MODE",
        default_value = "fast",
        value_parser = memory_mode,
        help_heading = "Runtime"
    )]
    mode: MemoryMode,
}

fn memory_mode(text: &str) -> std::result::Result<MemoryMode, String> {
    match text {
        "fast" => Ok(MemoryMode::Fast),
        "low" => Ok(MemoryMode::Low),
        _ => Err("expected `fast` or `low`".into()),
    }
}

impl CompileFlags {
    /// Checks that the backend compiles networks if the flag is set.
    ///
    /// # Errors
    ///
    /// Returns an error for another backend.
    pub fn check(self, selection: Selection) -> Result<()> {
        ensure!(
            self == Self::default() || compiles(selection),
            "--memory: expected the backend `cpu`, whose networks are compiled, found `{selection}`"
        );
        Ok(())
    }

    /// Returns the options for batches of images of this size.
    pub fn options(
        self,
        dtype: FloatType,
        batch: usize,
        size: Option<[usize; 2]>,
    ) -> CompileOptions {
        CompileOptions {
            precision: dtype.into(),
            size,
            batch,
            memory: self.mode,
        }
    }

    /// Returns the options for batches of preprocessed images.
    pub fn for_images(
        self,
        dtype: FloatType,
        batch: usize,
        preprocessing: &Preprocessing,
    ) -> CompileOptions {
        let size = preprocessing.crop.map(|side| [side as usize; 2]);
        self.options(dtype, batch, size)
    }

    /// Returns the flags as command-line arguments.
    pub fn arguments(self) -> [&'static str; 2] {
        let mode = match self.mode {
            MemoryMode::Fast => "fast",
            MemoryMode::Low => "low",
        };
        ["--memory", mode]
    }
}

/// Returns whether commands compile classifiers for this backend, rather than run them with Burn.
pub fn compiles(selection: Selection) -> bool {
    selection.backend == BackendName::Cpu && BackendName::Cpu.is_built()
}

/// Runs a compiled network on normalized images, `[batch, channels, height, width]`.
///
/// # Errors
///
/// Returns an error if the network does not accept the images.
pub fn run_compiled(
    session: &mut Session,
    images: &TensorData,
) -> std::result::Result<Vec<f32>, RunError> {
    let results = session.run(batch(images), Outputs::LOGITS)?;
    Ok(results.logits().unwrap_or_default().to_vec())
}

/// Returns the values of a tensor `[batch, channels, height, width]` of `f32`.
///
/// # Panics
///
/// Panics if the tensor has other axes or another type.
pub fn batch(images: &TensorData) -> Batch<'_> {
    let dims = images.shape.dims();
    let values = images.as_slice::<f32>().expect("images are f32");
    Batch::channels_first(values, dims)
}
