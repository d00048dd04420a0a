//! Reads checkpoint files: container, index and tensors.

mod archive;
mod checkpoint;
mod container;
mod dtype;
mod entry;
mod error;
mod folder;
mod guard;
mod mapped;
mod pickle;
mod pytorch;
mod quantized;
mod safetensors;
mod tar;

pub use checkpoint::Checkpoint;
pub use container::Container;
pub use dtype::Dtype;
pub use entry::Entry;
pub use error::ReadError;
pub(crate) use mapped::Content;
