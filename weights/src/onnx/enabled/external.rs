//! Tensors in files beside the ONNX file, as PyTorch's exporter writes by default.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path};

use bytes::Bytes;

use super::Cause;
use crate::read::Content;

/// The files beside the ONNX file, each opened once.
pub(super) struct External<'a> {
    /// None for a file in memory.
    folder: Option<&'a Path>,
    files: BTreeMap<String, Bytes>,
}

impl<'a> External<'a> {
    pub(super) fn new(folder: Option<&'a Path>) -> Self {
        Self {
            folder,
            files: BTreeMap::new(),
        }
    }

    /// The `size` bytes that the entries `location`, `offset` and `length` point to.
    pub(super) fn read(
        &mut self,
        entries: &BTreeMap<&str, &str>,
        size: usize,
    ) -> Result<Bytes, Cause> {
        let data = entries.get("location").copied().unwrap_or_default();
        let refuse = |cause: &str| Cause::External {
            data: data.to_string(),
            cause: cause.to_string(),
        };
        let number = |key| {
            entries
                .get(key)
                .map(|text| text.parse::<usize>())
                .transpose()
        };
        let (Ok(offset), Ok(length)) = (number("offset"), number("length")) else {
            return Err(refuse("at a place that is no number"));
        };
        let offset = offset.unwrap_or(0);
        if length.is_some_and(|length| length != size) {
            return Err(refuse("of another length than their shape has"));
        }
        let content = match self.files.get(data) {
            Some(content) => content.clone(),
            None => {
                let content = self.open(data).map_err(|cause| refuse(&cause))?;
                self.files.insert(data.to_string(), content.clone());
                content
            }
        };
        let end = offset.checked_add(size).filter(|end| *end <= content.len());
        let end = end.ok_or_else(|| refuse("which is cut short"))?;
        Ok(content.slice(offset..end))
    }

    fn open(&self, data: &str) -> Result<Bytes, String> {
        let folder = self
            .folder
            .ok_or("which a file in memory does not have beside it")?;
        let path = Path::new(data);
        let inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || data.is_empty() {
            return Err("which is outside the folder of the file".into());
        }
        let path = folder.join(path);
        let metadata =
            std::fs::metadata(&path).map_err(|error| format!("which cannot be read ({error})"))?;
        if !metadata.is_file() {
            return Err("which is no file".into());
        }
        let content = File::open(&path).and_then(Content::of);
        let content = content.map_err(|error| format!("which cannot be read ({error})"))?;
        Ok(Bytes::from_owner(content))
    }
}
