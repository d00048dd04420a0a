//! Our cache: files that were downloaded earlier or put there by hand.

use std::path::PathBuf;

use super::{Location, WeightSource};
use crate::fetch::request::FileRequest;
use crate::fetch::settings::Settings;

struct OurCache {
    folder: PathBuf,
}

pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    let folder = settings.cache.clone();
    Some(Box::new(OurCache { folder }))
}

impl WeightSource for OurCache {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        let path = self.folder.join(&request.name);
        request.is_for_file().then_some(Location::OurCache(path))
    }
}
