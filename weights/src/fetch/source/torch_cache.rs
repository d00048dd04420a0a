//! PyTorch's cache, where `torch.hub` keeps the publishers' files under their original names.

use std::path::PathBuf;

use super::{ForeignFile, Location, WeightSource};
use crate::fetch::found::Origin;
use crate::fetch::request::FileRequest;
use crate::fetch::settings::Settings;

struct TorchCache {
    folder: PathBuf,
}

pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    let folder = settings.torch.clone()?;
    Some(Box::new(TorchCache { folder }))
}

impl WeightSource for TorchCache {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        Some(Location::ForeignCache(ForeignFile {
            pin: Some(request.pin()?.clone()),
            path: self.folder.join(&request.name),
            origin: Origin::Torch,
        }))
    }
}
