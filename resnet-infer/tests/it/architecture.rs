//! The invariants of `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::fixture;

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(fixture("."))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The dependencies of a package, without those of its tests.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
}

#[test]
fn arrows_run_one_way() {
    let allowed = BTreeMap::from([
        ("resnet-fused", vec![]),
        ("resnet-core", vec!["resnet-fused"]),
        ("resnet-cpu", vec!["resnet-fused"]),
        ("resnet-weights", vec!["resnet-core", "resnet-image"]),
        ("resnet-image", vec![]),
        ("resnet-backend", vec!["resnet-cpu", "resnet-fused"]),
        ("resnet-data", vec!["resnet-image"]),
        (
            "resnet-train",
            vec![
                "resnet-backend",
                "resnet-core",
                "resnet-data",
                "resnet-image",
                "resnet-infer",
                "resnet-weights",
            ],
        ),
        (
            "resnet-infer",
            vec![
                "resnet-backend",
                "resnet-core",
                "resnet-data",
                "resnet-image",
                "resnet-weights",
            ],
        ),
    ]);
    let packages = packages();
    assert_eq!(packages.len(), allowed.len());
    for package in &packages {
        let ours: BTreeSet<_> = dependencies(package)
            .map(|dependency| dependency["name"].as_str().unwrap())
            .filter(|name| name.starts_with("resnet-"))
            .collect();
        let name = package["name"].as_str().unwrap();
        assert_eq!(
            ours.into_iter().collect::<Vec<_>>(),
            allowed[name],
            "{name}"
        );
    }
}

#[test]
fn only_the_backend_crate_names_backends() {
    for package in packages() {
        for dependency in dependencies(&package) {
            let name = dependency["name"].as_str().unwrap();
            let features = dependency["features"].as_array().unwrap();
            let neutral = ["autodiff", "std"];
            let backends = features
                .iter()
                .filter(|feature| !neutral.contains(&feature.as_str().unwrap()));
            // resnet-cpu is a backend; burn-store knows formats, not devices, and burn-tensor and burn-autodiff none.
            let backend =
                ["resnet-backend", "resnet-cpu"].contains(&package["name"].as_str().unwrap());
            let neutral = ["burn-store", "burn-tensor", "burn-autodiff"];
            if !backend && name.starts_with("burn") && !neutral.contains(&name) {
                assert_eq!((name, backends.count()), ("burn", 0), "{}", package["name"]);
            }
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The sources of a crate, each up to its unit tests.
fn code(krate: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    sources(&fixture(krate).join("src"), &mut files);
    assert!(!files.is_empty());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .to_string();
        (path, code)
    };
    files.into_iter().map(read).collect()
}

const CRATES: [&str; 7] = [
    "resnet-core",
    "weights",
    "resnet-image",
    "resnet-backend",
    "resnet-data",
    "resnet-infer",
    "resnet-train",
];

#[test]
fn the_core_has_no_outside_world() {
    for (path, code) in code("resnet-core") {
        for word in ["std::", "println!", "extern crate std"] {
            let uses = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let uses: Vec<_> = uses.filter(|line| line.contains(word)).collect();
            assert!(uses.is_empty(), "{}: {uses:?}", path.display());
        }
    }
}

/// The workspace denies `unsafe_code`, so an exception has to name the lint.
#[test]
fn unsafe_stands_in_one_file() {
    let manifest = std::fs::read_to_string(fixture("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
    let files = CRATES.iter().flat_map(|krate| code(krate));
    let excepted: Vec<_> = files
        .filter(|(_, code)| code.contains("unsafe_code"))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(excepted, [fixture("weights").join("src/read/mapped.rs")]);
}

#[test]
fn files_are_written_in_three_places() {
    let places = [
        "weights/src/export/atomic.rs",
        "weights/src/fetch/download/part.rs",
        // The lock of a run, which holds nothing.
        "resnet-train/src/bin/resnet-train/commands/train/folder.rs",
    ];
    let places = places.map(fixture);
    for (path, code) in CRATES.iter().flat_map(|krate| code(krate)) {
        assert_eq!(
            code.contains("OpenOptions"),
            places.contains(&path),
            "{}",
            path.display()
        );
        for word in ["fs::write", "File::create", ".save("] {
            assert!(!code.contains(word), "{}: {word}", path.display());
        }
    }
}
