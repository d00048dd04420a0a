//! Files in the caches of this machine.

use std::fs;
use std::path::PathBuf;

use resnet_testing::server::Server;
use resnet_weights::{Origin, Verdict};

use super::hub::{Hub, hub_weights};
use super::{Place, content, sha256, url_name, url_weights};

/// Starts a server that never answers. The tests check that it receives no request.
fn silent() -> Server {
    Server::new(|_, reply| reply.head("500 Oops", &[]))
}

#[test]
fn a_file_put_in_our_cache_by_hand_is_used() {
    let bytes = content(1000);
    let server = silent();
    let place = Place::new();
    place.put(&format!("cache/{}", url_name(&bytes)), &bytes);
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!((found.origin, place.notes().len()), (Origin::Cache, 0));

    place.put("cache/net.test.safetensors", &bytes);
    let offline = place.fetch().with_offline(true);
    let found = offline.fetch(&hub_weights()).unwrap();
    assert_eq!(
        (found.origin, found.sha256),
        (Origin::Cache, sha256(&bytes))
    );
    assert_eq!(
        place.note(),
        "`/cache/net.test.safetensors`: is used unverified, because no hash is recorded for it"
    );
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_hub_file_put_in_our_cache_by_hand_is_verified_if_the_hub_answers() {
    let bytes = content(1000);
    let hub = Hub::new(&bytes, |request, reply, bytes| reply.file(request, bytes));
    let place = Place::new().with("HF_ENDPOINT", &hub.server.url);
    let file = place.put("cache/net.test.safetensors", &bytes);
    let found = place.fetch().fetch(&hub_weights()).unwrap();
    assert_eq!((found.origin, place.notes().len()), (Origin::Cache, 0));
    let line = format!("{}  net.test.safetensors\n", sha256(&bytes));
    assert_eq!(
        fs::read_to_string(place.cache().join("net.test.safetensors.sha256")).unwrap(),
        line
    );
    assert_eq!(hub.cdn.gets().len(), 0);

    place.put("cache/net.test.safetensors", b"junk");
    fs::remove_file(place.cache().join("net.test.safetensors.sha256")).unwrap();
    let found = place.fetch().fetch(&hub_weights()).unwrap();
    assert_eq!(found.origin, Origin::Downloaded);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert!(place.note().ends_with("; removed"));
}

#[test]
fn a_malformed_hash_file_is_an_error() {
    let bytes = content(1000);
    let hub = Hub::new(&bytes, |request, reply, bytes| reply.file(request, bytes));
    let place = Place::new().with("HF_ENDPOINT", &hub.server.url);
    place.put("cache/net.test.safetensors", &bytes);
    for junk in [
        &b"junk"[..],
        b"",
        b"\xff\xfe",
        b"0123  net.test.safetensors\n",
    ] {
        place.put("cache/net.test.safetensors.sha256", junk);
        let error = place.fetch().fetch(&hub_weights()).unwrap_err().to_string();
        assert!(
            error.contains("net.test.safetensors.sha256`: holds no hash"),
            "{error}"
        );
    }
}

#[test]
fn a_recorded_hash_is_compared_completely() {
    let bytes = content(1000);
    let place = Place::new();
    let name = url_name(&bytes);
    let file = place.put(&format!("cache/{name}"), &bytes);
    let line = format!("{}{}  {name}\n", &sha256(&bytes)[..8], "0".repeat(56));
    place.put(&format!("cache/{name}.sha256"), line.as_bytes());
    let weights = url_weights(&silent(), &bytes);
    assert_eq!(place.fetch().find(&weights).unwrap(), None);
    assert!(!file.exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_cache_does_not_block() {
    let bytes = content(1000);
    let place = Place::new();
    let pipe = place.put("cache/x", b"").with_file_name(url_name(&bytes));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = place.error(&url_weights(&silent(), &bytes));
    assert!(error.contains("cannot be read"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_a_part_is_not_followed() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    let victim = place.put("victim", b"mine");
    let link = place
        .cache()
        .join(super::part(&bytes, &url_name(&bytes), 8));
    fs::create_dir_all(place.cache()).unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    place.error(&url_weights(&server, &bytes));
    assert_eq!(fs::read(victim).unwrap(), b"mine");
}

#[test]
fn a_mirror_is_asked_before_the_hub() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let place = Place::new()
        .with("RESNET_MIRROR", &format!("{}/mirror", server.url))
        .with("HF_ENDPOINT", &server.url);
    let mut weights = hub_weights();
    weights.sources.extend(url_weights(&server, &bytes).sources);
    place.fetch().fetch(&weights).unwrap();
    let paths: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, [format!("/mirror/{}", url_name(&bytes))]);
}

#[test]
fn a_wrong_file_in_our_cache_is_removed_and_downloaded_again() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    let name = url_name(&bytes);
    place.put(&format!("cache/{name}"), b"wrong");
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(found.origin, Origin::Downloaded);
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(
        place.note(),
        format!(
            "`/cache/{name}`: has the sha256 {}, expected {}; removed",
            sha256(b"wrong"),
            &sha256(&bytes)[..8]
        )
    );
}

#[test]
fn the_recorded_hash_of_a_hub_file_counts() {
    let place = Place::new();
    let file = place.put("cache/net.test.safetensors", b"flipped");
    let line = format!("{}  net.test.safetensors\n", sha256(b"content"));
    let hash = place.put("cache/net.test.safetensors.sha256", line.as_bytes());
    assert_eq!(place.fetch().find(&hub_weights()).unwrap(), None);
    assert!(!file.exists() && !hash.exists());
    assert!(place.note().ends_with("; removed"));
}

#[test]
fn verify_finds_a_flipped_byte() {
    let bytes = content(1000);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    let mut weights = url_weights(&server, &bytes);
    weights.sources.extend(hub_weights().sources);
    let path = place.fetch().fetch(&weights).unwrap().path;
    let by_hand = place.put("cache/net.test.safetensors", b"by hand");

    let verified = place.fetch().verify(&weights).unwrap();
    let verdicts: Vec<_> = verified
        .iter()
        .map(|file| (&file.path, &file.verdict))
        .collect();
    let right = Verdict::Right {
        sha256: sha256(&bytes),
    };
    let no_hash = Verdict::NoHash {
        sha256: sha256(b"by hand"),
    };
    assert_eq!(verdicts, [(&path, &right), (&by_hand, &no_hash)]);

    let mut flipped = bytes.clone();
    flipped[500] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let verified = place.fetch().verify(&weights).unwrap();
    let expected = Verdict::Wrong {
        expected: sha256(&bytes)[..8].into(),
        found: sha256(&flipped),
    };
    assert_eq!(
        (&verified[0].path, &verified[0].verdict),
        (&path, &expected)
    );
    assert!(!path.exists() && by_hand.exists());
}

#[test]
fn a_file_in_the_cache_of_pytorch_is_used_in_place() {
    let bytes = content(1000);
    let server = silent();
    let place = Place::new();
    let path = place.put(
        &format!("torch/hub/checkpoints/{}", url_name(&bytes)),
        &bytes,
    );
    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!((found.origin, found.path), (Origin::Torch, path));
    assert!(!place.cache().exists());
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn a_wrong_file_in_the_cache_of_pytorch_is_ignored() {
    let bytes = content(1000);
    let server = silent();
    let place = Place::new();
    let path = place.put(
        &format!("torch/hub/checkpoints/{}", url_name(&bytes)),
        b"wrong",
    );
    assert_eq!(
        place.fetch().find(&url_weights(&server, &bytes)).unwrap(),
        None
    );
    assert!(path.exists());
    assert!(place.note().ends_with("; ignored"), "{}", place.note());
}

/// Creates the layout of huggingface_hub. Its links exist only if the system supports them.
fn huggingface(place: &Place, blob: &str, bytes: &[u8]) -> PathBuf {
    let repo = "hub/models--timm--net.test";
    place.put(&format!("{repo}/refs/main"), b"0123abc");
    let file = format!("{repo}/snapshots/0123abc/model.safetensors");
    #[cfg(unix)]
    {
        place.put(&format!("{repo}/blobs/{blob}"), bytes);
        let path = place.put(&file, b"");
        fs::remove_file(&path).unwrap();
        let target = format!("../../blobs/{blob}");
        std::os::unix::fs::symlink(target, &path).unwrap();
        path
    }
    #[cfg(not(unix))]
    place.put(&file, bytes)
}

#[cfg(unix)]
#[test]
fn a_file_in_the_cache_of_huggingface_hub_is_used_in_place() {
    let bytes = content(1000);
    let place = Place::new();
    let path = huggingface(&place, &sha256(&bytes), &bytes);
    let found = place.fetch().fetch(&hub_weights()).unwrap();
    assert_eq!((found.origin, found.path), (Origin::HuggingFace, path));
    assert_eq!(found.sha256, sha256(&bytes));
    assert!(!place.cache().exists());
}

#[test]
fn a_wrong_file_in_the_cache_of_huggingface_hub_is_ignored() {
    let place = Place::new();
    let path = huggingface(&place, &sha256(b"right"), b"wrong");
    assert_eq!(place.fetch().find(&hub_weights()).unwrap(), None);
    assert!(path.exists());
    assert!(place.note().contains("ignored"), "{}", place.note());
}

#[test]
fn a_file_of_huggingface_hub_without_a_known_hash_is_ignored() {
    let place = Place::new();
    huggingface(
        &place,
        "0123456789012345678901234567890123456789",
        b"content",
    );
    assert_eq!(place.fetch().find(&hub_weights()).unwrap(), None);
    assert!(
        place
            .note()
            .ends_with("ignored, because its hash is unknown"),
        "{}",
        place.note()
    );
}

#[test]
fn a_reference_outside_the_cache_is_not_followed() {
    let place = Place::new();
    place.put("hub/models--timm--net.test/refs/main", b"../../..");
    place.put("model.safetensors", b"content");
    assert_eq!(place.fetch().find(&hub_weights()).unwrap(), None);
    assert_eq!(place.notes(), [""; 0]);
}
