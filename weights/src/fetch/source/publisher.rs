//! The publisher's server: download.pytorch.org for torchvision, GitHub for most of timm.

use super::{Address, Location, WeightSource};
use crate::fetch::request::{FileRequest, Place};
use crate::fetch::settings::Settings;

struct Publisher;

/// Creates the source, unless a mirror replaces it.
pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    match settings.network.mirror {
        Some(_) => None,
        None => Some(Box::new(Publisher)),
    }
}

impl WeightSource for Publisher {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        let Place::Url { url, pin } = &request.place else {
            return None;
        };
        Some(Location::Network(Address {
            url: url.clone(),
            pin: Some(pin.clone()),
        }))
    }
}
