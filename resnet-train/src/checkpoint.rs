//! The state of a run, in one file.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::ResNet;
use resnet_weights::write_atomically;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Trainer;

/// Where the tensors of the network, its average, and what the optimiser remembers are in the file.
const MODEL: &str = "model.";
const AVERAGE: &str = "average.";
const OPTIMIZER: &str = "optimizer";

/// Keys of the metadata.
const POSITION: &str = "position";
const KIND: &str = "optimizer";
const DIGEST: &str = "sha256";

/// Why the state of a run could not be saved, or taken up again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be written; what was there before still is.
    #[error("`{}`: the checkpoint cannot be written; check the folder, your right to write there and the space left", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("`{}`: cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The network holds no numbers any more, so it is not written.
    #[error("`{}`: the checkpoint is not written, and stays as it was: `{key}` holds infinities or NaN; lower the learning rate, or clip gradients", .path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
    /// The file is no checkpoint of such a run.
    #[error("`{}`: expected a checkpoint of this run, found {found}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
}

impl<B: AutodiffBackend> Trainer<B> {
    /// A sha256 of the network's values and of a text: the same for trainers that start alike.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
    pub fn fingerprint(&self, text: &str) -> String {
        digest(&entries(MODEL, self.model()), text)
    }

    /// Writes network, average, what the optimiser remembers, and `position` (anything that the caller needs to go on)
    /// into one file: whole or not at all.
    ///
    /// # Errors
    ///
    /// If the network holds infinities or NaN, or the file cannot be written; an older one is still there then.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
    pub fn checkpoint(
        &self,
        path: impl AsRef<Path>,
        position: &impl Serialize,
    ) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        let write = |source: io::Error| CheckpointError::Write {
            path: path.into(),
            source,
        };
        let mut tensors = entries(MODEL, self.model());
        if let Some(average) = self.average() {
            tensors.extend(entries(AVERAGE, average));
        }
        let finite = |data: &TensorData| data.iter::<f32>().all(f32::is_finite);
        if let Some((key, _)) = tensors.iter().find(|(_, data)| !finite(data)) {
            return Err(CheckpointError::NonFinite {
                path: path.into(),
                key: key.clone(),
            });
        }
        let optimizer = self
            .optimizer()
            .to_bytes()
            .map_err(|error| write(io::Error::other(error)))?;
        tensors.push((OPTIMIZER.into(), TensorData::from(&optimizer[..])));
        let views = tensors.iter().map(|(key, data)| {
            let dtype = match key.as_str() {
                OPTIMIZER => Dtype::U8,
                _ => Dtype::F32,
            };
            let view = TensorView::new(dtype, data.shape.to_vec(), data.as_bytes());
            view.map(|view| (key.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let views = views.map_err(|error| write(io::Error::other(error)))?;
        let position = serde_json::to_string(position);
        let position = position.map_err(|error| write(error.into()))?;
        let metadata = HashMap::from([
            (DIGEST.to_string(), digest(&tensors, &position)),
            (POSITION.to_string(), position),
            (KIND.to_string(), self.optimizer().name().to_string()),
        ]);
        let bytes = safetensors::serialize(views, Some(metadata));
        let bytes = bytes.map_err(|error| write(io::Error::other(error)))?;
        write_atomically(path, &bytes).map_err(write)
    }

    /// The trainer as it was when the file was written, and the position written with it. It must have been made of a
    /// network of the same config and with the same settings.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is damaged, or is of another run.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
    pub fn resume<P: DeserializeOwned>(
        mut self,
        path: impl AsRef<Path>,
    ) -> Result<(Self, P), CheckpointError> {
        let path = path.as_ref();
        let form = |found: String| CheckpointError::Form {
            path: path.into(),
            found,
        };
        let read = |source: io::Error| CheckpointError::Read {
            path: path.into(),
            source,
        };
        if !fs::metadata(path).map_err(read)?.is_file() {
            return Err(form("no regular file".into()));
        }
        let bytes = fs::read(path).map_err(read)?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| form(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| form(e.to_string()))?;
        let entry = |key: &str| {
            let found = metadata.metadata().as_ref().and_then(|map| map.get(key));
            found.ok_or_else(|| form(format!("no `{key}` in its header")))
        };

        // Burn panics on the record of another optimiser, or a damaged one: kind and hash are checked before it is read.
        let (expected, found) = (self.optimizer().name(), entry(KIND)?);
        if found != expected {
            return Err(form(format!(
                "the optimiser `{found}` in place of `{expected}`"
            )));
        }
        let model = load(self.model().clone(), MODEL, &file).map_err(form)?;
        let mut tensors = entries(MODEL, &model);
        let average = match self.average() {
            Some(average) => Some(load(average.clone(), AVERAGE, &file).map_err(form)?),
            None => None,
        };
        if let Some(average) = &average {
            tensors.extend(entries(AVERAGE, average));
        }
        let view = file
            .tensor(OPTIMIZER)
            .map_err(|error| form(error.to_string()))?;
        tensors.push((OPTIMIZER.into(), TensorData::from(view.data())));
        let position = entry(POSITION)?;
        if digest(&tensors, position) != *entry(DIGEST)? {
            return Err(form(
                "other settings, or damage: its sha256 does not fit".into(),
            ));
        }
        let position = serde_json::from_str(position);
        let position = position.map_err(|error| form(format!("another position: {error}")))?;
        self.restore(model, average, view.data()).map_err(form)?;
        Ok((self, position))
    }
}

/// The entries of the state dict, in `f32`.
fn entries<B: Backend>(prefix: &str, model: &ResNet<B>) -> Vec<(String, TensorData)> {
    let mut entries = Vec::new();
    let Ok(()) = model.visit_state(|key, data| -> Result<(), std::convert::Infallible> {
        entries.push((format!("{prefix}{key}"), data.convert::<f32>()));
        Ok(())
    });
    entries
}

fn load<B: Backend>(
    model: ResNet<B>,
    prefix: &str,
    file: &SafeTensors<'_>,
) -> Result<ResNet<B>, String> {
    model.load_state(|key, shape| {
        let key = format!("{prefix}{key}");
        let view = file
            .tensor(&key)
            .map_err(|_| format!("no tensor `{key}`"))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (dtype, found) = (view.dtype(), view.shape());
            return Err(format!(
                "`{key}` of {dtype} {found:?} in place of F32 {shape:?}"
            ));
        }
        let values = view.data().chunks_exact(4);
        let values =
            values.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        Ok(Some(TensorData::new(
            values.collect::<Vec<f32>>(),
            shape.to_vec(),
        )))
    })
}

/// Of all keys and values, and the position.
fn digest(tensors: &[(String, TensorData)], position: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(position);
    for (key, data) in tensors {
        hash.update(key);
        hash.update(data.as_bytes());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
