//! Resumed downloads.

use std::fs;
use std::thread;
use std::time::Duration;

use resnet_testing::server::{Reply, Request, Server};

use super::{Place, content, part, url_name, url_weights};

fn server(
    bytes: &[u8],
    script: impl Fn(&Request, &mut Reply, &[u8]) + Send + Sync + 'static,
) -> Server {
    let bytes = bytes.to_vec();
    Server::new(move |request, reply| script(request, reply, &bytes))
}

#[test]
fn a_slow_download_does_not_time_out() {
    let bytes = content(1500);
    let server = server(&bytes, |_, reply, bytes| {
        reply.head("200 OK", &[("Content-Length", "1500")]);
        for chunk in bytes.chunks(100) {
            thread::sleep(Duration::from_millis(130));
            reply.send(chunk);
        }
    });
    let mut place = Place::new();
    place.retry_policy.idle = Duration::from_millis(1500);
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_stalled_download_times_out() {
    let bytes = content(1500);
    let server = server(&bytes, |request, reply, bytes| {
        reply.some(request, bytes, 500);
        reply.stall();
    });
    let mut place = Place::new();
    place.retry_policy.idle = Duration::from_millis(500);
    place.retry_policy.attempts = 1;
    let error = place.error(&url_weights(&server, &bytes));
    assert!(error.contains("no data within 500ms"), "{error}");
    assert!(error.contains("an interrupted download resumes"), "{error}");
    assert_eq!(place.names(), [part(&bytes, &url_name(&bytes), 8)]);
}

#[test]
fn a_cut_connection_is_resumed_from_the_same_byte() {
    let bytes = content(200_000);
    let server = server(&bytes, |request, reply, bytes| {
        let count = if request.number < 2 { 70_000 } else { 200_000 };
        reply.some(request, bytes, count);
    });
    let place = Place::new();
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    let starts: Vec<_> = server.requests().iter().map(Request::start).collect();
    assert_eq!(starts, [None, Some(70_000), Some(140_000)]);
    assert_eq!(server.sent(), [70_000, 70_000, 60_000]);
    assert_eq!(*place.notes.advanced.lock().unwrap(), 200_000);
    assert!(
        place.notes()[0].contains("retrying in"),
        "{:?}",
        place.notes()
    );
}

#[test]
fn a_canceled_download_resumes() {
    let bytes = content(200_000);
    let server = server(&bytes, |request, reply, bytes| {
        // After the first, shorter answer the client is canceled, at the latest in the pause before
        // the retry.
        let count = if request.number == 0 { 70_000 } else { 200_000 };
        reply.some(request, bytes, count);
    });
    let place = Place::new();
    *place.notes.cancel_at.lock().unwrap() = Some(70_000);
    let error = place.error(&url_weights(&server, &bytes));
    assert!(error.contains("was canceled"), "{error}");
    assert_eq!(place.names(), [part(&bytes, &url_name(&bytes), 8)]);
    assert_eq!(server.requests().len(), 1);

    *place.notes.cancel_at.lock().unwrap() = None;
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests()[1].start(), Some(70_000));
}

#[test]
fn a_download_is_canceled_while_bytes_arrive() {
    let bytes = content(2000);
    let server = server(&bytes, |request, reply, bytes| {
        if request.number > 0 {
            return reply.some(request, bytes, bytes.len());
        }
        reply.head("200 OK", &[("Content-Length", "2000")]);
        for chunk in bytes.chunks(100) {
            thread::sleep(Duration::from_millis(30));
            reply.send(chunk);
        }
    });
    let place = Place::new();
    *place.notes.cancel_at.lock().unwrap() = Some(300);
    let error = place.error(&url_weights(&server, &bytes));
    assert!(error.contains("was canceled"), "{error}");
    let arrived = *place.notes.advanced.lock().unwrap();
    assert!((300..2000).contains(&arrived), "{arrived}");

    *place.notes.cancel_at.lock().unwrap() = None;
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests()[1].start(), Some(arrived as usize));
}

#[test]
fn interruptions_with_progress_do_not_exhaust_the_retries() {
    let bytes = content(100_000);
    let server = server(&bytes, |request, reply, bytes| {
        reply.some(request, bytes, 10_000)
    });
    let place = Place::new();
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(server.requests().len(), 10);
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let bytes = content(200_000);
    let server = server(&bytes, |request, reply, bytes| {
        reply.head("200 OK", &[("Content-Length", "200000")]);
        let count = if request.number == 0 { 70_000 } else { 200_000 };
        reply.send(&bytes[..count]);
    });
    let place = Place::new();
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.sent(), [70_000, 200_000]);
}

#[test]
fn a_server_that_always_stops_at_the_same_byte_is_an_error() {
    let bytes = content(200_000);
    let server = server(&bytes, |_, reply, bytes| {
        reply.head("200 OK", &[("Content-Length", "200000")]);
        reply.send(&bytes[..70_000]);
    });
    let place = Place::new();
    let error = place.error(&url_weights(&server, &bytes));
    assert!(error.contains(", 3 times in a row"), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_later_call_resumes_the_download() {
    let bytes = content(200_000);
    let server = server(&bytes, |request, reply, bytes| match request.number {
        0 => reply.some(request, bytes, 70_000),
        1..4 => reply.head("503 Service Unavailable", &[]),
        _ => reply.file(request, bytes),
    });
    let mut place = Place::new();
    place.retry_policy.attempts = 4;
    let weights = url_weights(&server, &bytes);
    let error = place.error(&weights);
    assert!(
        error.contains("answered 503 Service Unavailable, 4 times in a row"),
        "{error}"
    );
    let partial = place.cache().join(part(&bytes, &url_name(&bytes), 8));
    assert_eq!(fs::metadata(&partial).unwrap().len(), 70_000);

    let found = place.fetch().fetch(&weights).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests().last().unwrap().start(), Some(70_000));
    assert_eq!(*server.sent().last().unwrap(), 130_000);
    assert!(!partial.exists());
}

#[test]
fn a_wrong_part_is_detected_and_the_download_restarts() {
    let bytes = content(200_000);
    let server = server(&bytes, |request, reply, bytes| reply.file(request, bytes));
    let name = url_name(&bytes);
    for wrong in [vec![7; 70_000], vec![7; 200_000], vec![7; 300_000]] {
        let place = Place::new();
        place.put(&format!("cache/{}", part(&bytes, &name, 8)), &wrong);
        let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
        assert_eq!(fs::read(found.path).unwrap(), bytes, "{}", wrong.len());
        assert_eq!(place.names(), [name.clone(), format!("{name}.sha256")]);
    }
    let notes = "starting over";
    let place = Place::new();
    place.put(&format!("cache/{}", part(&bytes, &name, 8)), &[7; 70_000]);
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert!(place.note().contains(notes), "{}", place.note());
}

#[test]
fn a_complete_part_needs_no_network() {
    let bytes = content(1000);
    let server = server(&bytes, |_, reply, _| reply.head("500 Oops", &[]));
    let place = Place::new();
    place.put(
        &format!("cache/{}", part(&bytes, &url_name(&bytes), 8)),
        &bytes,
    );
    place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn an_unrequested_range_is_not_appended() {
    let bytes = content(1000);
    let server = server(&bytes, |request, reply, bytes| match request.number {
        0 => reply.some(request, bytes, 500),
        1 => {
            let headers = [
                ("Content-Range", "bytes 0-999/1000"),
                ("Content-Length", "1000"),
            ];
            reply.head("206 Partial Content", &headers);
            reply.send(bytes);
        }
        _ => reply.file(request, bytes),
    });
    let place = Place::new();
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests()[2].start(), None);
}

#[test]
fn a_login_page_does_not_destroy_the_part() {
    let bytes = content(200_000);
    let hub = super::hub::Hub::new(&bytes, |request, reply, bytes| match request.number {
        0 => reply.some(request, bytes, 70_000),
        1 => reply.ok(b"<html>please log in</html>"),
        _ => reply.file(request, bytes),
    });
    let place = Place::new().with("HF_ENDPOINT", &hub.server.url);
    let error = place.error(&hub.weights());
    assert!(
        error.contains("declares 26 bytes, expected 200000"),
        "{error}"
    );
    place.fetch().fetch(&hub.weights()).unwrap();
    assert_eq!(hub.cdn.requests()[2].start(), Some(70_000));
}
