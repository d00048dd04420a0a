//! Cleaning the cache.

use std::fs::{self, OpenOptions};

use resnet_testing::server::Server;
use resnet_weights::{CacheFileKind, Clean};

use super::{Place, content, part, sha256, url_name, url_weights};

const OTHERS: [&str; 6] = [
    "notes.txt",
    "model.pth",
    "movie.part",
    "movie.mkv.part",
    "model.pth.sha256",
    ".hidden.0123456789abcdef.part",
];

fn filled(place: &Place, bytes: &[u8]) -> Vec<String> {
    let name = url_name(bytes);
    for other in OTHERS {
        place.put(&format!("cache/{other}"), b"mine");
    }
    place.put("cache/folder/net.pth", b"mine");
    place.put(&format!("cache/{name}"), bytes);
    place.put("cache/unknown.pth", b"custom");
    let line = format!("{}  unknown.pth\n", sha256(b"custom"));
    place.put("cache/unknown.pth.sha256", line.as_bytes());
    let partial = part(bytes, &name, 8);
    place.put(&format!("cache/{partial}"), b"begin");
    vec![name, partial]
}

#[test]
fn clean_removes_only_our_files() {
    let bytes = content(1000);
    let server = Server::new(|_, _| {});
    let known = [url_weights(&server, &bytes)];
    let place = Place::new();
    let fetch = place.fetch();
    assert_eq!(fetch.list(&known).unwrap(), []);

    let mut ours = filled(&place, &bytes);
    ours.sort();
    let name = |file: &resnet_weights::CacheFile| {
        let name = file.path.file_name().unwrap();
        name.to_str().unwrap().to_string()
    };
    let listed = fetch.list(&known).unwrap();
    assert_eq!(listed.iter().map(name).collect::<Vec<_>>(), ours);
    let partial: Vec<_> = listed
        .iter()
        .filter(|file| file.kind == CacheFileKind::Partial)
        .collect();
    assert_eq!((partial.len(), partial[0].bytes), (1, 5));

    let removed = fetch.clean(&known, Clean::Partials).unwrap();
    assert_eq!(removed, [partial[0].clone()]);
    let removed = fetch.clean(&known, Clean::All).unwrap();
    assert_eq!(removed.len(), 1);
    let mut left = OTHERS.map(String::from).to_vec();
    left.extend(["folder", "unknown.pth", "unknown.pth.sha256"].map(String::from));
    left.sort();
    assert_eq!(place.names(), left);
    assert!(place.cache().join("folder/net.pth").exists());
}

#[test]
fn clean_keeps_a_download_in_progress() {
    let bytes = content(1000);
    let known = [url_weights(&Server::new(|_, _| {}), &bytes)];
    let place = Place::new();
    let path = place.put(
        &format!("cache/{}", part(&bytes, &url_name(&bytes), 8)),
        b"begin",
    );
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.lock().unwrap();
    assert_eq!(place.fetch().clean(&known, Clean::All).unwrap(), []);
    assert!(fs::exists(&path).unwrap());
    assert!(
        place.note().contains("download is in progress"),
        "{}",
        place.note()
    );
    drop(file);
    assert_eq!(place.fetch().clean(&known, Clean::All).unwrap().len(), 1);
}
