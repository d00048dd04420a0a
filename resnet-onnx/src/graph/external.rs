//! External data: tensors in files beside the ONNX file, as PyTorch's exporter writes them by
//! default.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Component, Path};

use bytes::Bytes;

use crate::OnnxError;

/// The external data files, each opened once.
pub(crate) struct External<'a> {
    /// `None` for an ONNX file in memory.
    folder: Option<&'a Path>,
    read_file: &'a dyn Fn(File) -> io::Result<Bytes>,
    files: BTreeMap<String, Bytes>,
}

impl<'a> External<'a> {
    pub(crate) fn new(
        folder: Option<&'a Path>,
        read_file: &'a dyn Fn(File) -> io::Result<Bytes>,
    ) -> Self {
        Self {
            folder,
            read_file,
            files: BTreeMap::new(),
        }
    }

    /// Returns the `size` bytes that the entries `location`, `offset` and `length` refer to.
    pub(super) fn read(
        &mut self,
        entries: &BTreeMap<&str, &str>,
        size: usize,
    ) -> Result<Bytes, OnnxError> {
        let data = entries.get("location").copied().unwrap_or_default();
        let refuse = |cause: &str| refused(data, cause);
        let number = |key| {
            entries
                .get(key)
                .map(|text| text.parse::<usize>())
                .transpose()
        };
        let (Ok(offset), Ok(length)) = (number("offset"), number("length")) else {
            return Err(refuse("whose offset or length is not a number"));
        };
        let offset = offset.unwrap_or(0);
        if length.is_some_and(|length| length != size) {
            return Err(refuse("whose length does not match their shape"));
        }
        let content = match self.files.get(data) {
            Some(content) => content.clone(),
            None => {
                let content = self.open(data)?;
                self.files.insert(data.to_string(), content.clone());
                content
            }
        };
        let end = offset.checked_add(size).filter(|end| *end <= content.len());
        let end = end.ok_or_else(|| refuse("which is cut short"))?;
        Ok(content.slice(offset..end))
    }

    fn open(&self, data: &str) -> Result<Bytes, OnnxError> {
        let folder = self
            .folder
            .ok_or_else(|| refused(data, "which a file in memory does not have beside it"))?;
        let path = Path::new(data);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || data.is_empty() {
            return Err(refused(data, "which is outside the folder of the file"));
        }
        let path = folder.join(path);
        let unreadable = |source| OnnxError::ExternalData {
            data: data.to_string(),
            cause: "which cannot be read".to_string(),
            source: Some(source),
        };
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(refused(data, "which is not a file"));
        }
        File::open(&path)
            .and_then(self.read_file)
            .map_err(unreadable)
    }
}

fn refused(data: &str, cause: &str) -> OnnxError {
    OnnxError::ExternalData {
        data: data.to_string(),
        cause: cause.to_string(),
        source: None,
    }
}
