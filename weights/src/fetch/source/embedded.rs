//! Weights that the feature `embedded` compiles into the program.

use super::{Location, WeightSource};
use crate::embedded::FILE;
use crate::fetch::request::{FileRequest, Place};
use crate::fetch::settings::Settings;
use crate::{Checkpoint, ReadError, Weights};

struct Embedded;

pub(super) fn create(_: &Settings) -> Option<Box<dyn WeightSource>> {
    Some(Box::new(Embedded))
}

impl WeightSource for Embedded {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        (request.place == Place::Program).then_some(Location::Program)
    }
}

impl Weights {
    /// Opens the weights that are compiled into this program. Returns `None` for all other weights,
    /// and without the feature `embedded`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Checkpoint::from_bytes`]. A test opens the file, so no error is
    /// expected.
    pub fn open_embedded(&self) -> Result<Option<Checkpoint>, ReadError> {
        match FILE {
            Some(bytes) if self.is_embedded() => {
                Checkpoint::from_bytes(&self.id, bytes.to_vec()).map(Some)
            }
            _ => Ok(None),
        }
    }
}
