//! Without the network.
use resnet_testing::server::Server;

use super::hub::hub_weights;
use super::{Place, content, url_name, url_weights};

#[test]
fn offline_mode_connects_to_nothing_and_lists_the_searched_places() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let mut weights = url_weights(&server, &bytes);
    weights.sources.extend(hub_weights().sources);
    let place = Place::new()
        .with("RESNET_OFFLINE", "1")
        .with("HF_ENDPOINT", &server.url);
    let name = url_name(&bytes);
    assert_eq!(
        place.error(&weights).replace(&server.url, "SERVER"),
        format!(
            "`net.test`: not on this machine, and the network is switched off (`RESNET_OFFLINE`, `HF_HUB_OFFLINE`); looked \
             for `/cache/{name}`, `/cache/net.test.safetensors`, `/torch/hub/checkpoints/{name}`, \
             `/hub/models--timm--net.test/snapshots/main/model.safetensors`; switch it on, or get SERVER/zoo/{name} by hand \
             and put it at `/cache/{name}`"
        )
    );
    let other = Place::new();
    assert!(other.fetch().with_offline(true).fetch(&weights).is_err());
    let hub = Place::new().with("HF_HUB_OFFLINE", "1");
    assert!(hub.fetch().is_offline());
    assert!(hub.fetch().fetch(&weights).is_err());
    assert_eq!(server.requests().len(), 0);

    place.put(&format!("cache/{name}"), &bytes);
    assert!(place.fetch().fetch(&weights).is_ok());
}
