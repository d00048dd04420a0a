//! Tests of the workspace as a whole: the invariants of `ARCHITECTURE.md`.

mod dependencies;
mod shared;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resnet_testing::workspace;
use serde_json::Value;

/// Runs cargo in the workspace and returns its standard output.
fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .arg("--offline")
        .current_dir(workspace(""))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {args:?}: {message}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the packages of the workspace as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 10, "{}", packages.len());
    packages
}

/// Returns the folder of a package, relative to the workspace.
fn folder(package: &Value) -> PathBuf {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let root = workspace("").canonicalize().unwrap();
    let folder = manifest.parent().unwrap().canonicalize().unwrap();
    folder.strip_prefix(root).unwrap().to_owned()
}

/// A file of Rust code, without comments and unit tests.
struct Source {
    /// The path from the root of the workspace.
    path: String,
    code: String,
}

impl Source {
    fn read(path: &str) -> Self {
        let text = fs::read_to_string(workspace(path)).unwrap();
        let (code, tests) = match text.split_once("#[cfg(test)]\n") {
            Some((code, tests)) => (code, Some(tests)),
            None => (&*text, None),
        };
        if let Some(tests) = tests {
            assert!(
                tests.starts_with("mod tests"),
                "{path}: unit tests are a module"
            );
        }
        let code = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        Self {
            path: path.into(),
            code: code.map(|line| format!("{line}\n")).collect(),
        }
    }

    /// Returns whether the code contains one of these words. Parts of longer names do not count.
    fn has(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.has_word(word))
    }

    fn has_word(&self, word: &str) -> bool {
        let in_name = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            let starts = !(word.starts_with(in_name) && before.is_some_and(in_name));
            starts && !(word.ends_with(in_name) && after.is_some_and(in_name))
        })
    }
}

fn rust_files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(workspace(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        let name = path.to_str().unwrap();
        if workspace(&path).is_dir() {
            rust_files(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
            found.push(name.replace('\\', "/"));
        }
    }
}

/// Returns the sources below `src` of all packages except this one, whose helpers panic.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    for package in packages() {
        if package["name"] != "resnet-testing" {
            rust_files(&folder(&package).join("src"), &mut files);
        }
    }
    assert!(files.len() > 200, "{}", files.len());
    files.sort();
    files.iter().map(|path| Source::read(path)).collect()
}
