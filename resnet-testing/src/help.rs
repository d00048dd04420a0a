//! Snapshots of help texts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compares the `--help` of a program and of all its subcommands with the snapshots in a folder,
/// one file per command. With the environment variable `UPDATE_EXPECT=1`, writes them instead.
///
/// # Panics
///
/// Panics if a help text differs from its snapshot, or a snapshot belongs to no command.
pub fn assert_help(program: &Path, folder: &Path) {
    // git does not store an empty folder.
    fs::create_dir_all(folder).unwrap();
    let root = program.file_stem().unwrap().to_str().unwrap().to_string();
    let mut commands = vec![vec![]];
    let mut snapshots = BTreeSet::new();
    while let Some(command) = commands.pop() {
        let text = help(program, &command);
        let name = format!("{root} {}", command.join(" "));
        let file = format!("{}.txt", name.trim().replace(' ', "-"));
        expect_test::expect_file![folder.join(&file)].assert_eq(&text);
        snapshots.insert(file);
        let inner = subcommands(&text).map(|name| [command.clone(), vec![name]].concat());
        commands.extend(inner);
    }
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), snapshots);
}

fn help(program: &Path, command: &[String]) -> String {
    let output = Command::new(program)
        .args(command)
        .arg("--help")
        .env_remove("RESNET_BACKEND")
        .env_remove("RESNET_OFFLINE")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {message}");
    let text = String::from_utf8(output.stdout).unwrap();
    // clap pads empty lines between paragraphs.
    let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// Returns the names below the heading `Commands:`.
fn subcommands(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_string)
}
