//! Limits of size and time.
use resnet_testing::server::Server;

use super::hub::hub_weights;
use super::{Place, content, sha256, url_weights};

#[test]
fn an_endless_body_stops_at_the_size_limit() {
    let server = Server::new(|_, reply| {
        reply.head("200 OK", &[("Transfer-Encoding", "chunked")]);
        let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
        while reply.send(chunk.as_bytes()) {}
    });
    let place = Place::new();
    let weights = url_weights(&server, b"x");
    let error = place.error(&weights);
    let expected = format!(
        "sends more than {} bytes, the limit for this file; removed",
        weights.max_bytes()
    );
    assert!(error.contains(&expected), "{error}");
    assert_eq!(place.names(), [""; 0]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_body_stops_at_the_size_that_the_hub_states() {
    let server = Server::new(|request, reply| {
        if request.method == "HEAD" {
            let etag = sha256(b"x");
            return reply.head(
                "200 OK",
                &[("X-Linked-Etag", &etag), ("X-Linked-Size", "1000")],
            );
        }
        reply.head("200 OK", &[]);
        while reply.send(&[7; 600]) {}
    });
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    let error = place.error(&hub_weights());
    assert!(error.contains("sends more than 1000 bytes"), "{error}");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_declared_size_above_the_limit_is_not_downloaded() {
    let size = (u64::MAX / 2).to_string();
    let server = Server::new(move |_, reply| {
        reply.head("200 OK", &[("Content-Length", &size)]);
        reply.stall();
    });
    let place = Place::new();
    let weights = url_weights(&server, b"x");
    let expected = format!(
        "declares {} bytes, expected at most {} for these weights",
        u64::MAX / 2,
        weights.max_bytes()
    );
    let error = place.error(&weights);
    assert!(error.contains(&expected), "{error}");
    assert_eq!(place.names(), [""; 0]);

    let size = u64::MAX.to_string();
    let server = Server::new(move |_, reply| {
        let etag = sha256(b"x");
        reply.head(
            "200 OK",
            &[("X-Linked-Etag", &etag), ("X-Linked-Size", &size)],
        );
    });
    let place = Place::new().with("HF_ENDPOINT", &server.url);
    let error = place.error(&hub_weights());
    assert!(
        error.contains(&format!("declares {} bytes", u64::MAX)),
        "{error}"
    );
    assert_eq!(server.gets().len(), 0);
}

#[test]
fn a_declared_length_above_the_real_one_is_harmless() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        move |_, reply| {
            reply.head("200 OK", &[("Content-Length", "2000")]);
            reply.send(&bytes);
        }
    });
    let place = Place::new();
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_declared_length_below_the_real_one_gives_a_wrong_file() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        move |_, reply| {
            reply.head("200 OK", &[("Content-Length", "500")]);
            reply.send(&bytes);
        }
    });
    let place = Place::new();
    let error = place.error(&url_weights(&server, &bytes));
    assert!(error.contains(&sha256(&bytes[..500])), "{error}");
    assert_eq!(place.names(), [""; 0]);
}
