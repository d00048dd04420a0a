//! Failing downloads.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use resnet_testing::server::Server;

use super::{Place, content, sha256, url_name, url_source, url_weights, weights};

#[test]
fn a_missing_file_is_not_retried_and_the_next_source_is_used() {
    let bytes = content(1000);
    let good = Server::with_file(&bytes);
    for status in ["404 Not Found", "410 Gone", "403 Forbidden"] {
        let bad = Server::new(move |_, reply| reply.head(status, &[]));
        let place = Place::new();
        let both = vec![url_source(&bad, &bytes), url_source(&good, &bytes)];
        place.fetch().fetch(&weights("net.test", both)).unwrap();
        assert_eq!(bad.requests().len(), 1);
        let note = place.note();
        assert!(
            note.contains(status) && note.ends_with("; trying the next source"),
            "{note}"
        );
    }
}

#[test]
fn the_error_lists_all_failures() {
    let bytes = content(1000);
    let gone = Server::new(|_, reply| reply.head("404 Not Found", &[]));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut nowhere = gone.clone();
    nowhere.url = format!("http://{nobody}");
    let sources = vec![url_source(&gone, &bytes), url_source(&nowhere, &bytes)];
    let place = Place::new();
    let error = place.error(&weights("net.test", sources));
    let name = url_name(&bytes);
    let expected = format!(
        "`net.test`: not on this machine, and cannot be downloaded: A/zoo/{name}: answered 404 Not Found; B/zoo/{name}: "
    );
    let error = error.replace(&gone.url, "A").replace(&nowhere.url, "B");
    assert!(error.starts_with(&expected), "{error}");
    assert!(error.contains("refused"), "{error}");
    let hint = format!("or get A/zoo/{name} by hand and put it at `/cache/{name}`");
    assert!(error.ends_with(&hint), "{error}");
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn server_errors_are_retried() {
    let bytes = content(1000);
    for status in [
        "500 Internal Server Error",
        "429 Too Many Requests",
        "408 Request Timeout",
    ] {
        let server = Server::new({
            let bytes = bytes.clone();
            move |request, reply| match request.number {
                0 | 1 => reply.head(status, &[]),
                _ => reply.file(request, &bytes),
            }
        });
        let place = Place::new();
        place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
        assert_eq!(server.requests().len(), 3);
        assert_eq!(place.notes().len(), 2);
    }
}

#[test]
fn retry_after_is_honored_up_to_a_limit() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        move |request, reply| match request.number {
            0 => reply.head("503 Service Unavailable", &[("Retry-After", "1")]),
            1 => reply.head("503 Service Unavailable", &[("Retry-After", "86400")]),
            _ => reply.file(request, &bytes),
        }
    });
    let mut place = Place::new();
    place.retry_policy.longest_pause = Duration::from_millis(1100);
    let start = Instant::now();
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(2100));
    assert!(
        place.notes()[0].ends_with("retrying in 1.0 s"),
        "{:?}",
        place.notes()
    );
    assert!(
        place.notes()[1].ends_with("retrying in 1.1 s"),
        "{:?}",
        place.notes()
    );
}

#[test]
fn a_download_with_a_wrong_hash_is_removed() {
    let (wrong, right) = (content(1000), content(999));
    let server = Server::new(move |request, reply| reply.file(request, &wrong));
    let place = Place::new();
    let error = place.error(&url_weights(&server, &right));
    let expected = format!(
        "{}: the download has the sha256 {}, expected {}; removed;",
        url_name(&right),
        sha256(&content(1000)),
        &sha256(&right)[..8]
    );
    assert!(error.contains(&expected), "{error}");
    assert_eq!(place.names(), [""; 0]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_resumed_download_with_a_wrong_hash_is_repeated_once() {
    let (wrong, right) = (content(1000), content(999));
    let server = Server::new(move |request, reply| {
        let count = if request.number == 0 { 500 } else { 1000 };
        reply.some(request, &wrong, count);
    });
    let place = Place::new();
    let error = place.error(&url_weights(&server, &right));
    assert!(error.contains("; removed"), "{error}");
    let starts: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.start())
        .collect();
    assert_eq!(starts, [None, Some(500), None]);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn a_silent_server_times_out() {
    let server = Server::new(|_, reply| reply.stall());
    let mut place = Place::new();
    place.retry_policy.response = Duration::from_millis(150);
    place.retry_policy.attempts = 2;
    let error = place.error(&url_weights(&server, b"x"));
    assert!(
        error.contains("no answer within 150ms, 2 times in a row"),
        "{error}"
    );
}

#[test]
fn malformed_answers_are_errors() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(20_000));
    for answer in [
        "",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\n\r\nabc",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 302 Found\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: \r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: \u{e9}\r\n\r\n",
        "HTTP/1.1 416 Range Not Satisfiable\r\n\r\n",
        "HTTP/1.1 999 What\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc",
        &many_headers,
    ] {
        let bytes = answer.as_bytes().to_vec();
        let server = Server::new(move |_, reply| {
            reply.send(&bytes);
        });
        let place = Place::new();
        let error = place.error(&url_weights(&server, b"x"));
        assert!(error.contains("cannot be downloaded"), "{answer}: {error}");
        assert_eq!(place.names(), [""; 0], "{answer}: {error}");
    }
}

#[test]
fn the_error_of_an_unusable_cache_names_the_variable() {
    let server = Server::new(|_, reply| reply.head("404 Not Found", &[]));
    let place = Place::new();
    let file = place.put("file", b"");
    let place = place.with("RESNET_CACHE", file.join("cache").to_str().unwrap());
    let error = place.error(&url_weights(&server, b"x"));
    assert_eq!(
        error,
        "`/file/cache`: the folder for weights cannot be made; set `RESNET_CACHE` to a folder that you may write to"
    );
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn the_error_of_an_unwritable_part_names_it() {
    let bytes = content(1000);
    let server = Server::new(|_, reply| reply.head("404 Not Found", &[]));
    let place = Place::new();
    let part = super::part(&bytes, &url_name(&bytes), 8);
    fs::create_dir_all(place.cache().join(&part)).unwrap();
    let error = place.error(&url_weights(&server, &bytes));
    assert!(
        error.starts_with(&format!("`/cache/{part}`: cannot be written")),
        "{error}"
    );
    assert!(error.contains("`RESNET_CACHE`"), "{error}");
}
