//! Opens a checkpoint from a path or from bytes.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

use super::{Checkpoint, Source};
use crate::metadata::Metadata;
use crate::onnx;
use crate::read::container::{self, Container, HEAD_BYTES};
use crate::read::mapped::Content;
use crate::read::{ReadError, folder, pytorch, safetensors};

impl Checkpoint {
    /// Opens the file at `path` and reads its index. The content determines the format, not the
    /// file name.
    ///
    /// `path` may be a folder that `save_pretrained` of transformers or `save_for_hf` of timm
    /// wrote. It contains `model.safetensors` or `pytorch_model.bin`, and a `config.json` with
    /// options of the network, class names and preprocessing.
    ///
    /// [`read`](Self::read) reads a tensor on demand. Safetensors and ONNX files above 16 MiB are
    /// memory-mapped. If another program shortens such a file before it is read, the operating
    /// system ends this process (SIGBUS). The external data of an ONNX file are read in the same
    /// way.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is not a checkpoint, is damaged, or calls
    /// functions that could run code.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let io_error = |error| ReadError::io(&file, error);
        // Windows cannot open a folder as a file, so check first.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if metadata.is_dir() {
            return Self::open(folder::weights_in(path)?);
        }
        // A pipe cannot be read twice, and a device may be endless.
        if !metadata.is_file() {
            return Err(ReadError::NotACheckpoint {
                file,
                found: "a device or a pipe".into(),
                advice: "save it as a file first",
            });
        }
        folder::check_whole(path)?;
        let mut handle = File::open(path).map_err(io_error)?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        (&mut handle)
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(io_error)?;
        let mut checkpoint = match detect(&file, &head)? {
            Container::Safetensors => {
                let content = Content::of(handle).map_err(io_error)?;
                Self::from_safetensors(file, content)?
            }
            Container::Onnx => {
                let content = Content::of(handle).map_err(io_error)?;
                Self::from_onnx(file, content, path.parent())?
            }
            container => Self::from_pytorch(file, path, container, None)?,
        };
        if let Some(sidecar) = folder::config_beside(path)? {
            sidecar.fill_in(&mut checkpoint.metadata);
        }
        Ok(checkpoint)
    }

    /// Opens a file in memory. Messages refer to it by `name`.
    ///
    /// A PyTorch file is written to a temporary file first.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`open`](Self::open).
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
        let checkpoint = Self::new(file, container, opened.entries, source, Vec::new())?;
        let metadata = opened.metadata;
        Ok(Checkpoint {
            metadata,
            ..checkpoint
        })
    }

    /// Opens an ONNX file with its external data in `folder`.
    fn from_onnx(file: String, content: Content, folder: Option<&Path>) -> Result<Self, ReadError> {
        let opened = onnx::open(&file, content, folder)?;
        let source = Source::Onnx(opened.tensors);
        let checkpoint = Self::new(file, Container::Onnx, opened.entries, source, Vec::new())?;
        let metadata = Metadata {
            config: Some(opened.config),
            ..Metadata::default()
        };
        Ok(Checkpoint {
            metadata,
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
        let temporaries = temporary.into_iter().chain(opened.copy).collect();
        Self::new(file, container, opened.entries, source, temporaries)
    }
}

fn detect(file: &str, head: &[u8]) -> Result<Container, ReadError> {
    if head.is_empty() {
        let file = file.to_string();
        return Err(ReadError::Empty { file });
    }
    container::detect(file, head)
}
