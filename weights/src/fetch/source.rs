//! The sources that may have a file of weights.
//!
//! To add a source, add a module with an implementation of [`WeightSource`], and a row to the
//! [`table`].

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

/// A source that may have a file of weights.
trait WeightSource {
    /// Returns where this source keeps the requested file and which hash the file must have.
    /// Returns `None` if it does not keep this kind of file. The file itself may be missing.
    fn locate(&self, request: &FileRequest) -> Option<Location>;
}

/// The location of a file at a source, and the hash that verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// The program itself; there is no file.
    Program,
    /// A path in our cache. Verified against the published and the recorded hash.
    OurCache(PathBuf),
    ForeignCache(ForeignFile),
    Network(Address),
}

/// A file in the cache of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignFile {
    pub(super) path: PathBuf,
    pub(super) origin: Origin,
    /// The hash that the file must have. A file without a known hash is not used.
    pub(super) pin: Option<Pin>,
}

/// An address on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "download"), allow(dead_code, reason = "no network"))]
pub(super) struct Address {
    pub(super) url: String,
    /// The hash that the file must have, or `None` if the server states it.
    pub(super) pin: Option<Pin>,
}
