//! Several processes that request the same file.

use std::fs;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use resnet_testing::server::{Server, until};
use resnet_weights::Origin;

use super::child::{printed, start};
use super::{Place, content, part, sha256, url_name, url_weights};

/// Starts a server that is slow enough for both sides to overlap.
fn slow(bytes: &[u8]) -> Server {
    let bytes = bytes.to_vec();
    Server::new(move |request, reply| {
        reply.some(request, &bytes, 0);
        for chunk in bytes.chunks(bytes.len() / 4) {
            thread::sleep(Duration::from_millis(100));
            reply.send(chunk);
        }
    })
}

#[test]
fn two_threads_download_once() {
    let bytes = content(1000);
    let server = slow(&bytes);
    let place = Place::new();
    let weights = url_weights(&server, &bytes);
    let barrier = Arc::new(Barrier::new(2));
    let threads = [(); 2].map(|()| {
        let (fetch, weights, barrier) = (place.fetch(), weights.clone(), barrier.clone());
        thread::spawn(move || {
            barrier.wait();
            fetch.fetch(&weights).unwrap().origin
        })
    });
    let mut origins = threads.map(|thread| thread.join().unwrap());
    origins.sort_by_key(|origin| *origin == Origin::Downloaded);
    assert_eq!(origins, [Origin::Cache, Origin::Downloaded]);
    assert_eq!(server.requests().len(), 1);
    let name = url_name(&bytes);
    assert_eq!(place.names(), [name.clone(), format!("{name}.sha256")]);
}

#[test]
fn two_processes_download_once() {
    let bytes = content(1000);
    let server = slow(&bytes);
    let place = Place::new();
    let url = format!("{}/{}", server.url, url_name(&bytes));
    let children = [(); 2].map(|()| start(&place, &[], &url, &bytes));
    let mut outputs = children.map(|child| printed(child.wait_with_output().unwrap()));
    outputs.sort_by_key(|output| output.contains("found Downloaded"));
    assert!(outputs[0].contains("found Cache"), "{outputs:?}");
    assert!(outputs[1].contains("found Downloaded"), "{outputs:?}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn when_the_holder_of_the_lock_dies_another_process_resumes() {
    let bytes = content(1000);
    let server = Server::new({
        let bytes = bytes.clone();
        move |request, reply| match request.number {
            0 => {
                reply.some(request, &bytes, 600);
                reply.stall();
            }
            _ => reply.file(request, &bytes),
        }
    });
    let place = Place::new();
    let url = format!("{}/{}", server.url, url_name(&bytes));
    let mut holder = start(&place, &[], &url, &bytes);
    let part = place.cache().join(part(&bytes, &url_name(&bytes), 8));
    let length = || fs::metadata(&part).map_or(0, |metadata| metadata.len());
    until("the child has its first bytes", || length() == 600);

    let (sender, receiver) = mpsc::channel();
    let (fetch, weights) = (place.fetch(), url_weights(&server, &bytes));
    thread::spawn(move || sender.send(fetch.fetch(&weights).unwrap()));
    until("the second one waits", || !place.notes().is_empty());
    assert!(
        place
            .note()
            .ends_with("another program is downloading it; waiting")
    );
    assert!(receiver.try_recv().is_err());

    holder.kill().unwrap();
    holder.wait().unwrap();
    let found = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(
        (found.origin, found.sha256),
        (Origin::Downloaded, sha256(&bytes))
    );
    assert_eq!(server.requests()[1].start(), Some(600));
}
