//! The places that may have a file of weights.
//!
//! A new source is one file below this one, with an implementation of [`WeightSource`], and one row
//! of the [`table`].

mod embedded;
mod hub;
mod hub_cache;
mod mirror;
mod our_cache;
mod publisher;
pub(super) mod table;
mod torch_cache;

use std::path::PathBuf;

use super::digest::Pin;
use super::found::Origin;
use super::request::FileRequest;

/// A place that may have a file of weights.
trait WeightSource {
    /// Returns where this source keeps the requested file and which hash it must have; `None` if
    /// it does not keep files of this kind. The file itself may be missing.
    fn locate(&self, request: &FileRequest) -> Option<Location>;
}

/// Where a source keeps a file, and what verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// The program itself; there is no file.
    Program,
    /// A path in our cache. The published hash and the recorded one verify the file.
    OurCache(PathBuf),
    ForeignCache(ForeignFile),
    Network(Address),
}

/// A file in the cache of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignFile {
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
    /// The hash the file must have; without one the file is not used.
    pub(super) pin: Option<Pin>,
}

/// An address on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "download"), allow(dead_code, reason = "no network"))]
pub(super) struct Address {
    pub(super) url: String,
    /// The hash the file must have; `None` if the server states it.
    pub(super) pin: Option<Pin>,
}
