//! The Hugging Face hub, where timm publishes its weights.

use super::{Address, Location, WeightSource};
use crate::fetch::request::{FileRequest, Place};
use crate::fetch::settings::{Settings, hub_address};

struct Hub {
    endpoint: String,
}

pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    let endpoint = settings.network.endpoint.clone();
    Some(Box::new(Hub { endpoint }))
}

impl WeightSource for Hub {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        let Place::Hub { repo, file } = &request.place else {
            return None;
        };
        Some(Location::Network(Address {
            url: hub_address(&self.endpoint, repo, file),
            pin: None,
        }))
    }
}
