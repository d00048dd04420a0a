//! Files of the Hugging Face hub.

use std::fs;

use resnet_testing::server::{Reply, Request, Server};
use resnet_weights::{Origin, Source, Weights};

use super::{Place, content, sha256, weights};

/// Starts a hub that redirects to another host for the content, like the real one.
pub(super) struct Hub {
    pub(super) server: Server,
    pub(super) cdn: Server,
}

const PATH: &str = "/timm/net.test/resolve/main/model.safetensors";

impl Hub {
    pub(super) fn new(
        bytes: &[u8],
        script: impl Fn(&Request, &mut Reply, &[u8]) + Send + Sync + 'static,
    ) -> Self {
        let etag = format!("\"{}\"", sha256(bytes));
        let size = bytes.len().to_string();
        let bytes = bytes.to_vec();
        let cdn = Server::new(move |request, reply| script(request, reply, &bytes));
        let location = format!("{}/blob?signed=1", cdn.url);
        let server = Server::new(move |_, reply| {
            let headers = [
                ("Location", &*location),
                ("X-Linked-Etag", &etag),
                ("X-Linked-Size", &size),
                ("ETag", "\"of-the-redirect\""),
                ("Content-Length", "0"),
            ];
            reply.head("302 Found", &headers);
        });
        Self { server, cdn }
    }

    pub(super) fn weights(&self) -> Weights {
        hub_weights()
    }
}

pub(super) fn hub_weights() -> Weights {
    let source = Source::Hub {
        repo: "timm/net.test".into(),
        file: "model.safetensors".into(),
    };
    weights("net.test", vec![source])
}

#[test]
fn the_hub_states_the_hash_and_another_host_has_the_content() {
    let bytes = content(100_000);
    let hub = Hub::new(&bytes, |request, reply, bytes| reply.file(request, bytes));
    let place = Place::new()
        .with("HF_ENDPOINT", &format!("{}/", hub.server.url))
        .with("HF_TOKEN", "hf_secret");
    let found = place.fetch().fetch(&hub.weights()).unwrap();
    assert_eq!(found.path, place.cache().join("net.test.safetensors"));
    assert_eq!(found.sha256, sha256(&bytes));
    assert_eq!(fs::read(&found.path).unwrap(), bytes);

    let asked: Vec<_> = hub.server.requests();
    let lines: Vec<_> = asked
        .iter()
        .map(|r| (r.method.as_str(), r.path.as_str()))
        .collect();
    assert_eq!(lines, [("HEAD", PATH), ("GET", PATH)]);
    for request in &asked {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"));
    }
    assert_eq!(hub.cdn.requests().len(), 1);
    assert_eq!(hub.cdn.requests()[0].header("authorization"), None);

    let again = place.fetch().find(&hub.weights()).unwrap().unwrap();
    assert_eq!(again.origin, Origin::Cache);
    assert_eq!(place.notes(), [""; 0]);
}

#[test]
fn the_token_stays_with_the_hub() {
    let bytes = content(100);
    let hub = Hub::new(&bytes, |request, reply, bytes| reply.file(request, bytes));
    let elsewhere = Server::new(|_, reply| reply.head("404 Not Found", &[]));
    let place = Place::new()
        .with("HF_ENDPOINT", &hub.server.url)
        .with("HF_TOKEN", "hf_secret");
    let mut weights = hub.weights();
    weights
        .sources
        .insert(0, super::url_source(&elsewhere, &bytes));
    place.fetch().fetch(&weights).unwrap();
    assert_eq!(elsewhere.requests()[0].header("authorization"), None);
}

#[test]
fn a_renamed_repository_is_followed() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        let etag = format!("\"{}\"", sha256(&bytes));
        move |request, reply| match (request.path.as_str(), request.method.as_str()) {
            (PATH, _) => {
                let location = "/new/name/resolve/main/model.safetensors";
                reply.head("307 Temporary Redirect", &[("Location", location)]);
            }
            (_, "HEAD") => {
                let length = bytes.len().to_string();
                reply.head("200 OK", &[("ETag", &etag), ("Content-Length", &length)]);
            }
            _ => reply.file(request, &bytes),
        }
    });
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    let found = place.fetch().fetch(&hub_weights()).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
}

#[test]
fn a_hub_without_hashes_is_an_error() {
    let etag = sha256(b"")[..40].to_string();
    let server = Server::new(move |_, reply| reply.head("200 OK", &[("ETag", &etag)]));
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    let error = place.error(&hub_weights());
    assert_eq!(
        error.replace(&server.url, "HUB"),
        format!(
            "`net.test`: not on this machine, and cannot be downloaded: HUB{PATH}: states no sha256 of the file, expected \
             it in `X-Linked-Etag`; check the network and `HTTPS_PROXY` and repeat (an interrupted download \
             resumes), or get https://huggingface.co{PATH} by hand and put it at `/cache/net.test.safetensors`"
        )
    );
    assert_eq!(server.gets().len(), 0);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn the_request_for_the_hash_is_retried() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        let etag = format!("\"{}\"", sha256(&bytes));
        move |request, reply| match (request.number, request.method.as_str()) {
            (0, _) => reply.head("502 Bad Gateway", &[]),
            (1, _) => {}
            (_, "HEAD") => reply.head("200 OK", &[("X-Linked-Etag", &etag)]),
            _ => reply.file(request, &bytes),
        }
    });
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    place.fetch().fetch(&hub_weights()).unwrap();
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn the_error_of_a_private_repository_mentions_the_token() {
    let server = Server::new(|_, reply| reply.head("401 Unauthorized", &[]));
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    let error = place.error(&hub_weights());
    assert!(
        error.contains("answered 401 Unauthorized; a token may be needed (`HF_TOKEN`)"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
}
