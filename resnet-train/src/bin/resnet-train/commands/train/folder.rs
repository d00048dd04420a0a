//! The output folder of a run: its lock, and the check that a resumed run is the same run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use resnet_cli::{note, write};
use resnet_data::Dataset;
use resnet_train::Config;
use sha2::{Digest, Sha256};

use super::STATES;
use crate::cli;

const CONFIG: &str = "config.toml";

/// The lock file of a running run. The operating system releases the lock when the process ends;
/// the file stays.
const LOCK: &str = "run.lock";

/// The maximum size of a config in bytes.
const LARGEST_CONFIG: u64 = 1 << 20;

/// The locked folder of a run.
pub(crate) struct Folder {
    _lock: Option<File>,
    /// The config with a new number of epochs. It is written after the training state is checked: a
    /// run that already has more epochs is refused.
    extended: Option<String>,
}

impl Folder {
    /// Locks the folder, removes temporary files of killed processes, and writes the config.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder holds another run; its files stay unchanged.
    ///
    /// `images` is the comment that identifies the images.
    pub(crate) fn prepare(args: &cli::Run, config: &Config, images: &str) -> Result<Self> {
        let folder = &args.output;
        let text = config_text(config, images)?;
        if args.resume {
            // Checked before the folder is created.
            let path = folder.display();
            ensure!(
                has_run(folder),
                "`{path}`: expected a run to resume, found no training state in it"
            );
        }
        fs::create_dir_all(folder)
            .with_context(|| format!("`{}`: cannot be created", folder.display()))?;
        let lock = lock(folder)?;
        let path = folder.join(CONFIG);
        let mut extended = None;
        match (has_run(folder), args.resume) {
            (true, false) => bail!(
                "`{}`: expected a new folder, found a run in it: continue it with --resume, or choose another --output",
                folder.display()
            ),
            (true, true) => {
                let kept = read(&path)?;
                if kept != text {
                    let epochs = args
                        .optimization
                        .epochs
                        .and_then(|_| other_epochs(&kept, config, images));
                    let Some(epochs) = epochs else {
                        bail!(
                            "`{}`: expected the config of this run, found another: {}; resume with the same flags (--epochs N may extend the run)",
                            path.display(),
                            difference(&kept, &text)
                        );
                    };
                    note(&format!(
                        "{} epochs instead of {epochs}: from here on, the learning rate follows the schedule of {0} epochs",
                        config.epochs
                    ));
                    extended = Some(text);
                }
            }
            (false, _) => write(&path, text.as_bytes())?,
        }
        clear(folder);
        Ok(Self {
            _lock: lock,
            extended,
        })
    }

    /// Writes the config with the new number of epochs.
    pub(crate) fn extend(&mut self, args: &cli::Run) -> Result<()> {
        match self.extended.take() {
            Some(text) => write(&args.output.join(CONFIG), text.as_bytes()),
            None => Ok(()),
        }
    }
}

/// Returns whether the folder holds a run. A start that failed leaves only a config, which does not
/// count.
fn has_run(folder: &Path) -> bool {
    let mut files = ["metrics.jsonl"]
        .into_iter()
        .chain(STATES.map(|(_, file)| file));
    folder.join(CONFIG).exists() && files.any(|file| folder.join(file).exists())
}

/// Locks the folder. Returns `None` on a file system without locks.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let name = path.display();
    if let Ok(found) = fs::metadata(&path) {
        ensure!(
            found.is_file(),
            "`{name}`: expected a regular file to lock, found something else: remove it"
        );
    }
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.with_context(|| format!("`{name}`: cannot be opened to lock the folder"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "`{}`: expected no other run in the folder, found a running one: wait until it ends, stop it, or choose another --output",
            folder.display()
        ),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            note(&format!(
                "`{name}`: this file system has no locks: do not start a second run in the folder"
            ));
            Ok(None)
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("`{name}`: cannot be locked"))
        }
    }
}

/// Removes incomplete temporary files, which a process leaves if it is killed during a write.
fn clear(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name
            .to_str()
            .and_then(|name| name.strip_prefix(".writing-"));
        let own = random.is_some_and(|random| {
            random.len() == 6 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if !own || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if let Err(error) = fs::remove_file(&path) {
            note(&format!(
                "`{}`: a temporary file of a killed run cannot be removed: {error}",
                path.display()
            ));
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let name = || format!("`{}`: cannot be read", path.display());
    let regular = fs::metadata(path).with_context(name)?.is_file();
    ensure!(
        regular,
        "`{}`: expected a config, found no regular file",
        path.display()
    );
    let mut text = String::new();
    let file = File::open(path).with_context(name)?;
    file.take(LARGEST_CONFIG)
        .read_to_string(&mut text)
        .with_context(name)?;
    Ok(text)
}

/// Returns the epochs of the saved config if it differs from `config` only in them.
fn other_epochs(kept: &str, config: &Config, images: &str) -> Option<u64> {
    let mut other = Config::from_toml(kept).ok()?;
    let (head, _) = kept.split_once('\n')?;
    let epochs = std::mem::replace(&mut other.epochs, config.epochs);
    let same = other == *config && head == images;
    same.then_some(epochs)
}

/// Returns the text of `config.toml`: a comment that identifies the images, then the config.
pub(super) fn config_text(config: &Config, images: &str) -> Result<String> {
    let config = toml::to_string(config).context("config")?;
    Ok(format!("{images}\n{config}"))
}

/// Returns the comment that identifies the images. Changing its form breaks `--resume` of older
/// runs.
pub(super) fn images([train, valid]: &[Dataset; 2]) -> String {
    let mut images = Vec::new();
    for sample in train.samples().iter().chain(valid.samples()) {
        let name = sample.name();
        let file = Path::new(&*name).file_name().unwrap_or_default();
        images.extend_from_slice(file.as_encoded_bytes());
        images.extend(sample.labels().iter().flat_map(|label| label.to_le_bytes()));
    }
    format!(
        "# {} images of {} classes, {} to validate with: {}",
        train.len(),
        train.classes().len(),
        valid.len(),
        sha256(&images)
    )
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

pub(crate) fn hex(hash: Sha256) -> String {
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the first differing line of two configs: of the settings, or else of the images.
fn difference(kept: &str, asked: &str) -> String {
    let lines = || {
        let lines = kept.lines().zip(asked.lines());
        lines.filter(|(kept, asked)| kept != asked)
    };
    let of_numbers = || lines().filter(|(kept, _)| !kept.starts_with('#'));
    // A run may resume with other epochs, so show another difference first.
    let others = of_numbers().find(|(kept, _)| !kept.starts_with("epochs ="));
    match others
        .or_else(|| of_numbers().next())
        .or_else(|| lines().next())
    {
        Some((kept, asked)) => format!("`{kept}` there, `{asked}` here"),
        None => "more lines in one of them".into(),
    }
}
