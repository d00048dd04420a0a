//! Weights of residual networks: reads PyTorch and safetensors files as they are found in the wild.
//!
//! [`Checkpoint::open`] tells the format from the content, reads the index only, unwraps what
//! training scripts wrap around a state dict, and hands out one tensor at a time. No code in a
//! file is ever run.
//!
//! ```
//! use resnet_weights::Checkpoint;
//!
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/checkpoints/good/zip.pth");
//! let checkpoint = Checkpoint::open(file)?;
//! for entry in checkpoint.entries() {
//!     println!("{} {} {:?}", entry.key(), entry.dtype(), entry.shape());
//! }
//! let weight = checkpoint.read("fc.weight")?;
//! assert_eq!(weight.shape.as_slice(), [10, 64]);
//! # Ok::<(), resnet_weights::ReadError>(())
//! ```

mod aliases;
mod apply;
mod export;
mod infer;
mod read;

pub use apply::{Load, LoadError, Mismatch, Report};
pub use export::{SaveError, save, write_atomically};
pub use infer::{InferError, Inferred};
pub use read::{Checkpoint, Container, Dtype, Entry, ReadError};
