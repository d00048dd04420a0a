//! Downloads in child processes, with settings from a real environment.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use resnet_testing::server::Server;
use resnet_weights::{Fetch, Progress, ProgressHandle, RetryPolicy, Source};

use super::{Place, content, part, sha256, url_name, url_weights, weights};

struct Printed;

impl Progress for Printed {
    #[expect(clippy::print_stdout, reason = "the test reads it")]
    fn note(&self, message: &str) {
        println!("note {message}");
    }

    fn begin(&self, _: &str, _: Option<u64>, _: u64) -> ProgressHandle {
        Box::new(|_| {})
    }
}

/// The body of the child process.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn download(url: String) {
    let sha256 = std::env::var("RESNET_TEST_SHA256").unwrap();
    let attempts = RetryPolicy {
        attempts: 1,
        ..RetryPolicy::default()
    };
    let fetch = Fetch::from_env().unwrap().with_retry_policy(attempts);
    let weights = weights("net.test", vec![Source::Url { url, sha256 }]);
    match fetch.with_progress(Arc::new(Printed)).fetch(&weights) {
        Ok(found) => println!("found {:?} {}", found.origin, found.sha256),
        Err(error) => println!("error {error}"),
    }
}

/// Starts a child, after a command prefix if there is one. The child runs one test, which sees
/// `RESNET_TEST_URL`.
pub(super) fn start(place: &Place, before: &[&str], url: &str, bytes: &[u8]) -> Child {
    let own = std::env::current_exe().unwrap();
    let mut words = before.to_vec();
    words.extend([
        own.to_str().unwrap(),
        "fetch::child::the_environment_is_read",
        "--exact",
        "--nocapture",
    ]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    for (name, _) in std::env::vars() {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with("_proxy") || name.starts_with("RESNET_") || name.starts_with("HF_") {
            command.env_remove(name);
        }
    }
    command
        .envs(place.variables.iter().cloned())
        .env("RESNET_TEST_URL", url)
        .env("RESNET_TEST_SHA256", &sha256(bytes)[..8])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(super) fn printed(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap()
}

/// A limit on the file size simulates a full disk: the write fails at the same place.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_a_part_that_a_later_call_completes() {
    let bytes = content(1 << 20);
    let server = Server::with_file(&bytes);
    let place = Place::new();
    let url = format!("{}/{}", server.url, url_name(&bytes));
    let script = "trap '' XFSZ; ulimit -f 300; exec \"$0\" \"$@\"";
    let child = start(&place, &["sh", "-c", script], &url, &bytes);
    let output = printed(child.wait_with_output().unwrap());
    let part = place.cache().join(part(&bytes, &url_name(&bytes), 8));
    let expected = format!(
        "error `{}`: cannot be written; check the space left",
        part.display()
    );
    assert!(output.contains(&expected), "{output}");
    let there = fs::read(&part).unwrap();
    assert!(!there.is_empty() && bytes.starts_with(&there));

    let found = place.fetch().fetch(&url_weights(&server, &bytes)).unwrap();
    assert_eq!(fs::read(found.path).unwrap(), bytes);
    assert_eq!(server.requests()[1].start(), Some(there.len()));
}

#[test]
fn the_environment_is_read() {
    if let Ok(url) = std::env::var("RESNET_TEST_URL") {
        return download(url);
    }
    let bytes = content(1000);
    let mirror = Server::with_file(&bytes);
    let place = Place::new().with("RESNET_MIRROR", &mirror.url);
    let url = format!("http://nowhere.invalid/{}", url_name(&bytes));
    let output = start(&place, &[], &url, &bytes).wait_with_output().unwrap();
    let output = printed(output);
    assert!(
        output.contains(&format!("found Downloaded {}", sha256(&bytes))),
        "{output}"
    );

    let place = Place::new().with("RESNET_OFFLINE", "yes");
    let output = start(&place, &[], &url, &bytes).wait_with_output().unwrap();
    let output = printed(output);
    assert!(
        output.contains("error `net.test`: not on this machine"),
        "{output}"
    );
}
