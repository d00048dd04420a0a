//! A mirror: a web server with the publishers' files under their own names, instead of the publishers.

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
