#![doc = include_str!("../README.md")]

mod aliases;
mod apply;
mod export;
mod infer;
mod read;

pub use apply::{Load, LoadError, Mismatch, Report};
pub use export::{SaveError, save, write_atomically};
pub use infer::{InferError, Inferred};
pub use read::{Checkpoint, Container, Dtype, Entry, ReadError};
