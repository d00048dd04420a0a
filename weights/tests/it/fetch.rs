//! Fetches files of weights from caches and from a test server.

mod caches;
mod child;
mod clean;
mod download_errors;
mod downloads;
mod hub;
mod limits;
mod locks;
mod offline;
mod proxies;
mod resume;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use resnet_testing::server::Server;
use resnet_weights::{Fetch, Progress, ProgressHandle, RetryPolicy, Source, Weights};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns bytes in which every shift or truncation changes the content.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// Returns weights whose file may have at most 16 MiB and 8 bytes.
fn weights(id: &str, sources: Vec<Source>) -> Weights {
    Weights {
        id: id.into(),
        parameters: 1,
        sources,
        ..Weights::all()[0].clone()
    }
}

fn url_source(server: &Server, content: &[u8]) -> Source {
    Source::Url {
        url: format!("{}/zoo/{}", server.url, url_name(content)),
        sha256: sha256(content)[..8].into(),
    }
}

fn url_name(content: &[u8]) -> String {
    format!("net-{}.pth", &sha256(content)[..8])
}

fn url_weights(server: &Server, content: &[u8]) -> Weights {
    weights("net.test", vec![url_source(server, content)])
}

/// The folders of one test, and the messages that its user sees.
struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
    retry_policy: RetryPolicy,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    notes: Mutex<Vec<String>>,
    advanced: Arc<Mutex<u64>>,
    begun: Mutex<Vec<(String, Option<u64>, u64)>>,
    /// Cancels the download after this many bytes.
    cancel_at: Mutex<Option<u64>>,
}

impl Progress for Notes {
    fn note(&self, message: &str) {
        assert!(!message.contains('\n'), "{message}");
        self.notes.lock().unwrap().push(message.into());
    }

    fn begin(&self, file: &str, total: Option<u64>, done: u64) -> ProgressHandle {
        self.begun.lock().unwrap().push((file.into(), total, done));
        let advanced = self.advanced.clone();
        Box::new(move |bytes| *advanced.lock().unwrap() += bytes)
    }

    fn is_canceled(&self) -> bool {
        let arrived = *self.advanced.lock().unwrap();
        self.cancel_at
            .lock()
            .unwrap()
            .is_some_and(|at| arrived >= at)
    }
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
            retry_policy: RetryPolicy {
                connect: Duration::from_secs(10),
                response: Duration::from_secs(10),
                idle: Duration::from_secs(10),
                attempts: 3,
                first_pause: Duration::from_millis(1),
                longest_pause: Duration::from_millis(50),
            },
            notes: Arc::default(),
        };
        let cache = place.cache();
        let torch = place.folder.path().join("torch");
        let hub = place.folder.path().join("hub");
        place
            .with("RESNET_CACHE", cache.to_str().unwrap())
            .with("TORCH_HOME", torch.to_str().unwrap())
            .with("HF_HUB_CACHE", hub.to_str().unwrap())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn fetch(&self) -> Fetch {
        let find = |name: &str| self.variables.iter().rev().find(|(key, _)| key == name);
        Fetch::from_variables(|name| find(name).map(|(_, value)| value.into()))
            .unwrap()
            .with_retry_policy(self.retry_policy)
            .with_progress(self.notes.clone())
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Returns the names of the files in the cache.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.cache()) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn put(&self, path: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn notes(&self) -> Vec<String> {
        self.notes.notes.lock().unwrap().clone()
    }

    /// Returns the only note, without the path of the test folder.
    fn note(&self) -> String {
        let notes = self.notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        notes[0].replace(self.folder.path().to_str().unwrap(), "")
    }

    fn error(&self, weights: &Weights) -> String {
        let error = self.fetch().fetch(weights).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error.replace(self.folder.path().to_str().unwrap(), "")
    }
}

fn part(content: &[u8], name: &str, digits: usize) -> String {
    format!("{name}.{}.part", &sha256(content)[..digits])
}
