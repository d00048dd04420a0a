//! A mirror: a web server that replaces the publishers and has their files under the original
//! names.

use super::{Address, Location, WeightSource};
use crate::fetch::request::FileRequest;
use crate::fetch::settings::Settings;

struct Mirror {
    folder: String,
}

pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    let folder = settings.network.mirror.clone()?;
    Some(Box::new(Mirror { folder }))
}

impl WeightSource for Mirror {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        Some(Location::Network(Address {
            pin: Some(request.pin()?.clone()),
            url: format!("{}/{}", self.folder, request.name),
        }))
    }
}
