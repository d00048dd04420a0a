//! An external crate, built from the snippets of the page "Backends".

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixture;

/// Returns the first fenced block of a language after a heading.
fn block<'a>(page: &'a str, heading: &str, language: &str) -> &'a str {
    let section = page.split_once(heading).unwrap().1;
    let block = section.split_once(&format!("```{language}\n")).unwrap().1;
    block.split_once("```").unwrap().0
}

/// Runs `cargo check` with the dependencies of the page: this workspace's crates from the checkout,
/// all others at the versions of the lock file.
#[test]
fn the_snippets_make_a_crate_that_compiles() {
    let page = fs::read_to_string(fixture("docs/src/backends.md")).unwrap();
    let heading = "## In your own crate";
    let mut dependencies = block(&page, heading, "toml").to_owned();
    for name in ["resnet-core", "resnet-cpu"] {
        let path = fixture(name).canonicalize().unwrap();
        let published = format!("{name} = {{ git = {:?} }}", env!("CARGO_PKG_REPOSITORY"));
        assert!(dependencies.contains(&published));
        let here = format!("{name} = {{ path = {path:?} }}");
        dependencies = dependencies.replace(&published, &here);
    }

    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    write(
        "Cargo.toml",
        &format!(
            "[package]\nname = \"scratch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{dependencies}\n[workspace]\n"
        ),
    );
    write("src/main.rs", block(&page, heading, "rust"));
    fs::copy(fixture("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();

    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target().join("scratch"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Returns the target folder of this build, which caches the scratch build.
fn target() -> &'static Path {
    let program = Path::new(env!("CARGO_BIN_EXE_resnet-infer"));
    program.ancestors().nth(2).unwrap()
}
