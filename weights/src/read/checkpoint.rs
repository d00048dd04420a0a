use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use burn::tensor::TensorData;
use resnet_core::ResNetConfig;
use resnet_image::Recipe;
use tempfile::{NamedTempFile, TempPath};

use super::container::{self, Container, HEAD_BYTES};
use super::mapped::Content;
use super::{Entry, ReadError, nesting, pytorch, safetensors};
use crate::about::About;
use crate::{Labels, onnx};

/// An open file of weights: its index, and its tensors one at a time.
///
/// # Unwrapping
///
/// A training checkpoint holds the state dict under a key, beside the optimizer and other things.
/// Of `state_dict_ema`, `model_ema`, `state_dict`, `model_state` and `model` the first dictionary
/// with tensors is entered, and all outside is ignored: the order of timm's
/// `load_state_dict(use_ema=True)`, which prefers averaged weights. Then `module.`
/// (`DataParallel`) and `_orig_mod.` (`torch.compile`) are taken off where every key has them.
///
/// `num_batches_tracked` entries are kept.
pub struct Checkpoint {
    file: String,
    container: Container,
    nesting: Option<&'static str>,
    stripped: Option<String>,
    entries: Vec<Entry>,
    /// What the file says about the network, beside its tensors.
    about: About,
    source: Source,
    /// Deleted after `source` is dropped, which keeps the file open.
    _temporary: Option<TempPath>,
}

enum Source {
    Pytorch(pytorch::Tensors),
    Safetensors(safetensors::Tensors),
    Onnx(onnx::Tensors),
}

impl Checkpoint {
    /// Opens the file at `path`, whatever its name, and reads its index.
    ///
    /// Tensors are read from the file when [`read`](Self::read) asks for them. Do not shorten or
    /// overwrite the file until then: safetensors and ONNX files are mapped into memory. An ONNX
    /// file may keep its weights in other files of its folder, which are mapped as well.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is no checkpoint, is damaged, or asks to run code.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let io_error = |error| ReadError::io(&file, error);
        // Windows cannot open a folder at all, so it is asked for first.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if metadata.is_dir() {
            return Err(ReadError::Folder { file });
        }
        // A pipe cannot be read twice, and a device has no end.
        if !metadata.is_file() {
            return Err(ReadError::NotACheckpoint {
                file,
                found: "a device or a pipe".into(),
                advice: "save it as a file first",
            });
        }
        let mut handle = File::open(path).map_err(io_error)?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        (&mut handle)
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(io_error)?;
        match detect(&file, &head)? {
            Container::Safetensors => {
                let content = Content::map(&handle).map_err(io_error)?;
                Self::from_safetensors(file, content)
            }
            Container::Onnx => {
                let content = Content::map(&handle).map_err(io_error)?;
                Self::from_onnx(file, content, path.parent())
            }
            container => Self::from_pytorch(file, path, container, None),
        }
    }

    /// Opens a file held in memory, called `name` in messages.
    ///
    /// The bytes of a PyTorch file go through a temporary file.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let file = name.into();
        match detect(&file, &bytes[..bytes.len().min(HEAD_BYTES)])? {
            Container::Safetensors => Self::from_safetensors(file, Content::Owned(bytes)),
            Container::Onnx => Self::from_onnx(file, Content::Owned(bytes), None),
            container => {
                let io_error = |error| ReadError::io(&file, error);
                let mut temporary = NamedTempFile::new().map_err(io_error)?;
                temporary.write_all(&bytes).map_err(io_error)?;
                drop(bytes);
                let path = temporary.into_temp_path();
                let opened = path.to_path_buf();
                Self::from_pytorch(file, &opened, container, Some(path))
            }
        }
    }

    fn from_safetensors(file: String, content: Content) -> Result<Self, ReadError> {
        let opened = safetensors::open(&file, content)?;
        let source = Source::Safetensors(opened.tensors);
        let container = Container::Safetensors;
        let checkpoint = Self::new(file, container, None, opened.entries, source, None)?;
        let about = opened.about;
        Ok(Checkpoint {
            about,
            ..checkpoint
        })
    }

    /// An ONNX file with its external data in `folder`.
    fn from_onnx(file: String, content: Content, folder: Option<&Path>) -> Result<Self, ReadError> {
        let opened = onnx::open(&file, content, folder)?;
        let source = Source::Onnx(opened.tensors);
        let checkpoint = Self::new(file, Container::Onnx, None, opened.entries, source, None)?;
        let about = About {
            config: Some(opened.config),
            ..About::default()
        };
        Ok(Checkpoint {
            about,
            ..checkpoint
        })
    }

    fn from_pytorch(
        file: String,
        path: &Path,
        container: Container,
        temporary: Option<TempPath>,
    ) -> Result<Self, ReadError> {
        let opened = pytorch::open(path, &file, container)?;
        let source = Source::Pytorch(opened.tensors);
        let (nesting, entries) = (opened.nesting, opened.entries);
        Self::new(file, container, nesting, entries, source, temporary)
    }

    fn new(
        file: String,
        container: Container,
        nesting: Option<&'static str>,
        mut entries: Vec<Entry>,
        source: Source,
        temporary: Option<TempPath>,
    ) -> Result<Self, ReadError> {
        let stripped = nesting::unwrap(&mut entries);
        if entries.is_empty() {
            return Err(ReadError::NoTensors { file });
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(Checkpoint {
            file,
            container,
            nesting,
            stripped,
            entries,
            about: About::default(),
            source,
            _temporary: temporary,
        })
    }

    /// The path or name the checkpoint was opened by.
    pub fn name(&self) -> &str {
        &self.file
    }

    /// How the file lays its tensors out.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The key of the dictionary that was entered: `state_dict`, `model`, ….
    pub fn prefix(&self) -> Option<&str> {
        self.nesting
    }

    /// What was taken off the front of every key: `module.`, `_orig_mod.`, or both.
    pub fn stripped(&self) -> Option<&str> {
        self.stripped.as_deref()
    }

    /// The tensors of the file, sorted by key.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The network that the file describes beside its tensors: ONNX files do, and what [`Save`](crate::Save) wrote.
    pub(crate) fn config(&self) -> Option<&ResNetConfig> {
        self.about.config.as_ref()
    }

    /// The names of the classes, where the file tells them: files that [`Save`](crate::Save) wrote may.
    pub fn labels(&self) -> Option<&Labels> {
        self.about.labels.as_ref()
    }

    /// How the network wants its images, where the file tells it: files that [`Save`](crate::Save) wrote may.
    pub fn recipe(&self) -> Option<Recipe> {
        self.about.recipe
    }

    /// The tensor of this name, if the file has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries
            .binary_search_by(|entry| entry.key.as_str().cmp(key))
            .ok()
            .and_then(|index| self.entries.get(index))
    }

    /// Reads a tensor in the file's element type, in row-major order.
    ///
    /// # Errors
    ///
    /// A key the file does not have, a damaged tensor, or one larger than the file.
    pub fn read(&self, key: &str) -> Result<TensorData, ReadError> {
        let Some(entry) = self.get(key) else {
            return Err(ReadError::MissingKey {
                file: self.file.clone(),
                key: key.to_string(),
            });
        };
        match &self.source {
            Source::Pytorch(tensors) => tensors.read(&self.file, entry),
            Source::Safetensors(tensors) => tensors.read(&self.file, entry),
            Source::Onnx(tensors) => Ok(tensors.read(entry)),
        }
    }
}

fn detect(file: &str, head: &[u8]) -> Result<Container, ReadError> {
    if head.is_empty() {
        let file = file.to_string();
        return Err(ReadError::Empty { file });
    }
    container::detect(file, head)
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("file", &self.file)
            .field("container", &self.container)
            .field("nesting", &self.nesting)
            .field("stripped", &self.stripped)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
