//! Downloads.

use std::fs;

use resnet_testing::server::Server;
use resnet_weights::Origin;

use super::{Place, content, sha256, url_name, url_weights, weights};

#[test]
fn a_file_is_downloaded_once() {
    let bytes = content(300_000);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    let weights = url_weights(&server, &bytes);

    assert_eq!(place.fetch().find(&weights).unwrap(), None);
    let found = place.fetch().fetch(&weights).unwrap();
    assert_eq!(found.origin, Origin::Downloaded);
    assert_eq!(found.sha256, sha256(&bytes));
    assert_eq!(found.path, place.cache().join(url_name(&bytes)));
    assert_eq!(fs::read(&found.path).unwrap(), bytes);

    let again = place.fetch().fetch(&weights).unwrap();
    assert_eq!((again.origin, again.sha256), (Origin::Cache, found.sha256));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].header("range"), None);
    assert_eq!(place.notes(), [""; 0]);
    assert_eq!(*place.notes.advanced.lock().unwrap(), 300_000);
    let begun = place.notes.begun.lock().unwrap().clone();
    assert_eq!(begun, [(url_name(&bytes), Some(300_000), 0)]);
}

#[test]
fn the_hash_file_has_the_format_of_sha256sum() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    let name = url_name(&bytes);
    assert_eq!(place.names(), [name.clone(), format!("{name}.sha256")]);
    let line = fs::read_to_string(place.cache().join(format!("{name}.sha256"))).unwrap();
    assert_eq!(line, format!("{}  {name}\n", sha256(&bytes)));
}

#[test]
fn a_body_without_length_is_downloaded() {
    let bytes = content(100_000);
    let server = Server::new({
        let bytes = bytes.clone();
        move |_, reply| {
            reply.head("200 OK", &[]);
            reply.send(&bytes);
        }
    });
    let place = Place::new();
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
}

#[test]
fn redirects_to_the_same_and_to_another_host_are_followed() {
    let bytes = content(1000);
    let elsewhere = Server::with_file(&bytes);
    let server = Server::new({
        let elsewhere = elsewhere.url.clone();
        move |request, reply| match request.path.as_str() {
            "/moved" => {
                let location = format!("{elsewhere}/file?signed=1");
                reply.head(
                    "302 Found",
                    &[("Location", &location), ("Content-Length", "0")],
                );
            }
            _ => reply.head("301 Moved Permanently", &[("Location", "/moved")]),
        }
    });
    let place = Place::new();
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(elsewhere.requests()[0].path, "/file?signed=1");
}

#[test]
fn a_redirect_loop_is_an_error() {
    let server = Server::new(|_, reply| reply.head("302 Found", &[("Location", "/again")]));
    let place = Place::new();
    let error = place.error(&url_weights(&server, b"x"));
    assert!(error.contains("redirects more than 10 times"), "{error}");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_mirror_is_a_flat_folder() {
    let bytes = content(1000);
    let mirror = Server::with_file(&bytes);
    let publisher = Server::new(|_, reply| reply.head("500 Oops", &[]));
    let place = Place::new().with("RESNET_MIRROR", &format!("{}/a/b/", mirror.url));
    place
        .fetch()
        .fetch(&url_weights(&publisher, &bytes))
        .unwrap();
    assert_eq!(
        mirror.requests()[0].path,
        format!("/a/b/{}", url_name(&bytes))
    );
    assert_eq!(publisher.requests().len(), 0);
}

#[test]
fn weights_without_a_valid_source_are_errors() {
    let place = Place::new();
    let source = |url: &str, sha256: &str| resnet_weights::Source::Url {
        url: url.into(),
        sha256: sha256.into(),
    };
    let hub = |repo: &str, file: &str| resnet_weights::Source::Hub {
        repo: repo.into(),
        file: file.into(),
    };
    for (id, sources, expected) in [
        ("a", vec![], "has no source for its file"),
        (
            "a",
            vec![source("http://h/", "12345678")],
            "the file name \"\"",
        ),
        (
            "a",
            vec![source("http://h/..", "12345678")],
            "the file name \"..\"",
        ),
        (
            "a",
            vec![source("http://h/a\\b", "12345678")],
            "the file name",
        ),
        (
            "a",
            vec![source("http://h/a", "1234567")],
            "8 to 64 hexadecimal",
        ),
        ("../a", vec![hub("o/n", "m.safetensors")], "the file name"),
        ("a", vec![hub("o/../n", "m.safetensors")], "the repository"),
        ("a", vec![hub("o/n", "../m.safetensors")], "the file \"../"),
    ] {
        let weights = weights(id, sources);
        let error = place.error(&weights);
        assert!(error.contains(expected), "{error}");
        assert!(place.fetch().find(&weights).is_err());
        assert!(place.fetch().verify(&weights).is_err());
    }
    let ftp = weights("a", vec![source("ftp://h/a", "12345678")]);
    assert!(place.error(&ftp).contains("is not an http or https URL"));
}
