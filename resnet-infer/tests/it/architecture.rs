//! Tests of the invariants in `ARCHITECTURE.md`.

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

/// Returns the dependencies of a package, without its dev-dependencies.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|dependency| dependency["kind"] != "dev")
}

#[test]
fn crates_depend_only_on_lower_layers() {
    let below_the_commands = vec![
        "resnet-backend",
        "resnet-core",
        "resnet-data",
        "resnet-image",
        "resnet-weights",
    ];
    let with = |crates: &Vec<&'static str>, name| {
        let mut crates = crates.clone();
        crates.push(name);
        crates.sort_unstable();
        crates
    };
    let application = with(&below_the_commands, "resnet-cli");
    let allowed = BTreeMap::from([
        ("resnet-files", vec![]),
        ("resnet-fused", vec![]),
        ("resnet-core", vec!["resnet-fused"]),
        ("resnet-cpu", vec!["resnet-fused"]),
        ("resnet-onnx", vec!["resnet-core"]),
        (
            "resnet-weights",
            vec!["resnet-core", "resnet-files", "resnet-image", "resnet-onnx"],
        ),
        ("resnet-image", vec![]),
        ("resnet-backend", vec!["resnet-cpu", "resnet-fused"]),
        ("resnet-data", vec!["resnet-core", "resnet-image"]),
        ("resnet-cli", with(&below_the_commands, "resnet-files")),
        ("resnet-infer", application.clone()),
        ("resnet-train", with(&application, "resnet-files")),
        ("resnet-doctests", vec![]),
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

/// Dependencies that only the commands need.
const COMMAND_ONLY: [&str; 8] = [
    "anyhow",
    "clap",
    "ctrlc",
    "indicatif",
    "mimalloc",
    "noto-sans-mono-bitmap",
    "plotters",
    "resnet-cli",
];

#[test]
fn command_dependencies_are_optional() {
    let mut optional = BTreeSet::new();
    for package in packages() {
        if package["name"] == "resnet-cli" {
            continue;
        }
        for dependency in dependencies(&package) {
            let name = dependency["name"].as_str().unwrap();
            if COMMAND_ONLY.contains(&name) {
                assert_eq!(dependency["optional"], true, "{}: {name}", package["name"]);
                optional.insert(name.to_string());
            }
        }
    }
    assert_eq!(optional.into_iter().collect::<Vec<_>>(), COMMAND_ONLY);
}

/// A dependency can enable an optional dependency through one of its features.
#[test]
fn libraries_without_cli_have_no_command_dependencies() {
    let tree = |features: &[&str], krate: &str| -> BTreeSet<String> {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--edges", "normal", "--package", krate])
            .args(["--prefix", "none", "--format", "{p}"])
            .args(features)
            .current_dir(fixture("."))
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let names = lines.lines().filter_map(|line| line.split(' ').next());
        names.map(String::from).collect()
    };
    for krate in ["resnet-infer", "resnet-train"] {
        let library = tree(&["--no-default-features"], krate);
        assert!(library.contains("resnet-weights"), "{krate}: {library:?}");
        let brought = COMMAND_ONLY.map(|name| library.contains(name).then_some(name));
        assert_eq!(brought, [None; COMMAND_ONLY.len()], "{krate}");
        for backend in ["resnet-backend", "resnet-cpu", "burn-flex", "burn-ndarray"] {
            assert!(!library.contains(backend), "{krate}: {backend}");
        }
        assert!(tree(&[], krate).contains("clap"), "{krate}");
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
            // resnet-cpu is itself a backend; burn-store handles file formats, not devices.
            let backend =
                ["resnet-backend", "resnet-cpu"].contains(&package["name"].as_str().unwrap());
            if !backend && name.starts_with("burn") && name != "burn-store" {
                let interface = ["burn", "burn-autodiff", "burn-tensor"].contains(&name);
                assert!(
                    interface && backends.count() == 0,
                    "{}: {name}",
                    package["name"]
                );
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

/// Returns the source files of a crate without their unit tests.
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

const CRATES: [&str; 11] = [
    "resnet-fused",
    "resnet-core",
    "resnet-onnx",
    "resnet-files",
    "weights",
    "resnet-image",
    "resnet-backend",
    "resnet-data",
    "resnet-cli",
    "resnet-infer",
    "resnet-train",
];

#[test]
fn the_core_does_not_use_std() {
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

/// The workspace denies `unsafe_code`, so an exception must name the lint.
#[test]
fn unsafe_code_is_in_one_file() {
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
fn only_three_files_write_files() {
    let places = [
        "resnet-files/src/lib.rs",
        "weights/src/fetch/download/part.rs",
        // The lock file of a run, which stays empty.
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
