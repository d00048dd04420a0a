//! Tests of the dependencies between crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use resnet_testing::workspace;
use serde_json::Value;

use crate::{cargo, folder, packages};

type Names = BTreeSet<String>;

fn names<const N: usize>(names: [&str; N]) -> Names {
    names.map(String::from).into()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap()
}

/// Returns the dependencies of a package, without its dev-dependencies.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| dependency["kind"] != "dev")
}

/// Returns the entries of a feature.
fn feature(package: &Value, feature: &str) -> Names {
    let entries = package["features"][feature].as_array().unwrap().iter();
    entries
        .map(|entry| entry.as_str().unwrap().into())
        .collect()
}

/// The dependencies of a crate, according to the diagram in `ARCHITECTURE.md`.
#[derive(Default)]
struct Arrows {
    always: Names,
    /// Dependencies that a feature adds, by feature.
    optional: BTreeMap<String, Names>,
}

/// Reads the diagram: `crate ───> crate, crate` and `  feature name ───> crate` lines.
fn diagram() -> BTreeMap<String, Arrows> {
    let page = fs::read_to_string(workspace("ARCHITECTURE.md")).unwrap();
    let (_, rest) = page.split_once("```text\n").unwrap();
    let (diagram, _) = rest.split_once("```").unwrap();
    let mut crates: BTreeMap<String, Arrows> = BTreeMap::new();
    let mut last = String::new();
    for line in diagram.lines().filter(|line| !line.trim().is_empty()) {
        let (from, to) = line.split_once('>').unwrap();
        let from = from.trim_end_matches('─').trim();
        let to = to.split(',').map(|name| name.trim().to_string());
        let to: Names = to.filter(|name| name.starts_with("resnet-")).collect();
        match from.strip_prefix("feature ") {
            Some(feature) => {
                let arrows = crates.get_mut(&last).unwrap();
                arrows.optional.insert(feature.into(), to);
            }
            None => {
                last = from.into();
                crates.entry(last.clone()).or_default().always = to;
            }
        }
    }
    crates
}

#[test]
fn the_diagram_shows_every_dependency() {
    let mut diagram = diagram();
    for package in packages() {
        let name = name(&package);
        let drawn = diagram.remove(name);
        // resnet-doctests has dev-dependencies only.
        assert!(drawn.is_some() || name == "resnet-doctests", "{name}");
        let drawn = drawn.unwrap_or_default();
        let ours = dependencies(&package).filter(|found| found["path"].is_string());
        let found: Names = ours.map(|found| self::name(found).into()).collect();
        let of_features = drawn.optional.values().flatten().cloned();
        let all: Names = drawn.always.iter().cloned().chain(of_features).collect();
        assert_eq!(found, all, "{name}");
        for (feature, crates) in drawn.optional {
            let entries = self::feature(&package, &feature);
            for krate in crates {
                assert!(
                    entries.contains(&format!("dep:{krate}")),
                    "{name}: {feature}, {krate}"
                );
                let mut found = dependencies(&package);
                let found = found.find(|found| self::name(found) == krate).unwrap();
                assert_eq!(found["optional"], true, "{name}: {krate}");
            }
        }
    }
    assert!(diagram.is_empty(), "no crates: {:?}", diagram.keys());
}

#[test]
fn nothing_depends_on_an_application() {
    let mut dependents = Names::new();
    for package in packages() {
        let all = package["dependencies"].as_array().unwrap().iter();
        let mut applications = all.filter(|found| {
            ["resnet-infer", "resnet-train"].contains(&name(found)) && found["path"].is_string()
        });
        if applications.next().is_some() {
            dependents.insert(name(&package).into());
        }
    }
    assert_eq!(dependents, names(["resnet-doctests"]));
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
    let mut optional = Names::new();
    for package in packages() {
        if package["name"] == "resnet-cli" {
            continue;
        }
        for dependency in dependencies(&package) {
            let name = name(dependency);
            if COMMAND_ONLY.contains(&name) {
                assert_eq!(dependency["optional"], true, "{}: {name}", package["name"]);
                optional.insert(name.into());
            }
        }
    }
    assert_eq!(optional, names(COMMAND_ONLY));
}

#[test]
fn reports_of_resnet_train_are_behind_a_feature() {
    let packages = packages();
    let train = packages
        .iter()
        .find(|package| package["name"] == "resnet-train");
    let train = train.unwrap();
    let report = feature(train, "report");
    for name in ["dep:noto-sans-mono-bitmap", "dep:plotters"] {
        assert!(report.contains(name), "{name}");
    }
    assert!(feature(train, "cli").contains("report"));
}

/// Returns the names of a package and all its transitive dependencies.
fn tree(krate: &str, features: &[&str]) -> Names {
    let mut args = vec![
        "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
    ];
    args.extend(["--package", krate]);
    args.extend(features);
    let tree = cargo(&args);
    let lines = tree.lines().filter_map(|line| line.split(' ').next());
    lines.map(String::from).collect()
}

/// Checks the whole dependency tree: a dependency can enable optional dependencies through its
/// features.
#[test]
fn libraries_without_cli_have_no_command_dependencies() {
    for krate in ["resnet-infer", "resnet-train"] {
        let library = tree(krate, &["--no-default-features"]);
        assert!(library.contains("resnet-weights"), "{krate}: {library:?}");
        let brought: Names = library
            .intersection(&names(COMMAND_ONLY))
            .cloned()
            .collect();
        assert_eq!(brought, Names::new(), "{krate}");
        for backend in ["resnet-backend", "resnet-cpu", "burn-flex", "burn-ndarray"] {
            assert!(!library.contains(backend), "{krate}: {backend}");
        }
        assert!(tree(krate, &[]).contains("clap"), "{krate}");
    }
}

#[test]
fn only_the_feature_download_adds_an_http_client() {
    const CLIENTS: [&str; 6] = ["curl", "hyper", "native-tls", "reqwest", "rustls", "ureq"];
    for krate in ["resnet-infer", "resnet-train"] {
        let library = tree(krate, &["--no-default-features", "--features", "onnx"]);
        let brought: Names = library.intersection(&names(CLIENTS)).cloned().collect();
        assert_eq!(brought, Names::new(), "{krate}");
        assert!(tree(krate, &[]).contains("ureq"), "{krate}");
    }
    let with_client: Names = packages()
        .iter()
        .filter(|package| dependencies(package).any(|found| CLIENTS.contains(&name(found))))
        .map(|package| name(package).into())
        .collect();
    assert_eq!(with_client, names(["resnet-weights"]));
}

#[test]
fn only_the_backend_crate_names_backends() {
    for package in packages() {
        // resnet-cpu is itself a backend.
        if ["resnet-backend", "resnet-cpu"].contains(&name(&package)) {
            continue;
        }
        for dependency in dependencies(&package) {
            let found = name(dependency);
            // burn-store handles file formats, not devices.
            if !found.starts_with("burn") || found == "burn-store" {
                continue;
            }
            let interface = ["burn", "burn-autodiff", "burn-tensor"].contains(&found);
            let features = dependency["features"].as_array().unwrap().iter();
            let neutral = ["autodiff", "std"];
            let mut features = features.map(|feature| feature.as_str().unwrap());
            assert!(
                interface && features.all(|feature| neutral.contains(&feature)),
                "{}: {found}",
                package["name"]
            );
        }
    }
}

#[test]
fn resnet_files_depends_only_on_tempfile() {
    let packages = packages();
    let files = packages
        .iter()
        .find(|package| package["name"] == "resnet-files");
    let found: Names = dependencies(files.unwrap())
        .map(|found| name(found).into())
        .collect();
    assert_eq!(found, names(["tempfile"]));
}

#[test]
fn the_engine_does_not_depend_on_burn() {
    for krate in ["resnet-engine", "resnet-kernels"] {
        let tree = tree(krate, &["--edges", "normal,build"]);
        let burn: Vec<_> = tree.iter().filter(|name| name.contains("burn")).collect();
        assert_eq!(burn, Vec::<&String>::new(), "{krate}");
    }
    assert!(tree("resnet-engine", &[]).contains("resnet-kernels"));
}

/// The lints of the workspace deny unsafe code. Every crate but resnet-kernels inherits them.
#[test]
fn only_resnet_kernels_has_its_own_lints() {
    let manifest = fs::read_to_string(workspace("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
    let mut own = Names::new();
    for package in packages() {
        let manifest = workspace(folder(&package)).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).unwrap();
        if !manifest.contains("[lints]\nworkspace = true\n") {
            own.insert(name(&package).into());
        }
    }
    assert_eq!(own, names(["resnet-kernels"]));
}
