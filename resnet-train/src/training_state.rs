//! Training states: everything that a run needs to resume, in one file.

mod container;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::module::{ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use resnet_core::Network;
use resnet_files::write_atomically;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::memory::{Memory, SQUARES};
use crate::{Trainable, Trainer};
use container::{State, Tensors};
use reader::{Reader, short};

/// The key prefixes of the network, its moving average and the optimizer state.
const MODEL: &str = "model.";
const AVERAGE: &str = "average.";
const OPTIMIZER: &str = "optimizer.";

/// Bytes allowed for the header in addition to 1 KiB per tensor.
const HEADER: u64 = 1 << 20;

/// An error in saving or loading a training state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingStateError {
    /// The file cannot be written. An existing file stays unchanged.
    #[error("`{}`: the training state cannot be written; check the folder, your write permission and the free disk space", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("`{}`: cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The network or the optimizer holds infinities or NaN, so it is not saved.
    #[error("`{}`: the training state is not written, and stays as it was: `{key}` holds infinities or NaN; lower the learning rate, or clip gradients", .path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
    /// The run already has more epochs than requested.
    #[error("`{}`: expected at most {epochs} epochs in the training state, found {done}; set `Fit::epochs` to {done} or more", .path.display())]
    Epochs {
        /// The file.
        path: PathBuf,
        /// The finished and started epochs.
        done: u64,
        /// The requested epochs.
        epochs: u64,
    },
    /// The file is not a training state of this run.
    #[error("`{}`: expected a training state of this run, found {found}; resume with the same version, flags and files, or start again in another folder", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The problem.
        found: String,
    },
}

impl<B: AutodiffBackend, N: Trainable<B>> Trainer<B, N> {
    /// Returns the SHA-256 of `text` and of the network's values, to compare the start of several
    /// processes.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn fingerprint(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(text);
        for (key, data) in entries(MODEL, self.model()) {
            hash.update(key);
            hash.update(data.as_bytes());
        }
        let digest = hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Saves the network, its moving average, the optimizer state and `position` to one file.
    /// `position` is any value that the caller needs to resume.
    ///
    /// The write is atomic. Equal states give equal bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if the network or the optimizer holds infinities or NaN, or if the file
    /// cannot be written. An existing file then stays unchanged.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn save_state(
        &self,
        path: impl AsRef<Path>,
        position: &impl Serialize,
    ) -> Result<(), TrainingStateError> {
        let path = path.as_ref();
        let write = |source: io::Error| TrainingStateError::Write {
            path: path.into(),
            source,
        };
        let mut tensors: Tensors = entries(MODEL, self.model()).collect();
        if let Some(average) = self.average() {
            tensors.extend(entries(AVERAGE, average));
        }
        let mut steps = BTreeMap::new();
        let memories = self.optimizer().memories();
        for ((key, _), memory) in self.model().state_shapes().into_iter().zip(memories) {
            let Some(memory) = memory else { continue };
            for (name, data) in self.optimizer().names().iter().zip(memory.tensors) {
                tensors.insert(format!("{OPTIMIZER}{key}.{name}"), data);
            }
            steps.insert(key, memory.steps as u64);
        }
        let finite = |data: &TensorData| data.iter::<f32>().all(f32::is_finite);
        if let Some((key, _)) = tensors.iter().find(|(_, data)| !finite(data)) {
            return Err(TrainingStateError::NonFinite {
                path: path.into(),
                key: key.clone(),
            });
        }
        let position = serde_json::to_value(position).map_err(|error| write(error.into()))?;
        let state = State::new(self.optimizer().name(), steps, position);
        let bytes = state.to_bytes(&tensors);
        let bytes = bytes.map_err(|error| write(error.into()))?;
        write_atomically(path, &bytes).map_err(write)
    }

    /// Restores the trainer from a training state, and returns it with the saved position. The
    /// trainer must have the same network config and the same settings as the saved one.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is damaged, or belongs to another run.
    ///
    /// # Panics
    ///
    /// Panics if an earlier step panicked.
    pub fn resume<P: DeserializeOwned>(
        mut self,
        path: impl AsRef<Path>,
    ) -> Result<(Self, P), TrainingStateError> {
        let path = path.as_ref();
        let form = |found: String| TrainingStateError::Form {
            path: path.into(),
            found: short(&found, 400),
        };
        let read = |source: io::Error| TrainingStateError::Read {
            path: path.into(),
            source,
        };
        if !fs::metadata(path).map_err(read)?.is_file() {
            return Err(form("no regular file".into()));
        }
        let most = self.largest_file();
        let bytes = container::read(path, most).map_err(read)?;
        let bytes = bytes.ok_or_else(|| form(format!("a file of more than {most} bytes")))?;
        let position = self.restore_from(&bytes).map_err(form)?;
        Ok((self, position))
    }

    /// Returns an upper bound for the size of a training state in bytes.
    fn largest_file(&self) -> u64 {
        let entries = self.model().state_shapes();
        let values = |shape: &[usize]| shape.iter().map(|&side| side as u64).product::<u64>();
        let values: u64 = entries.iter().map(|(_, shape)| values(shape)).sum();
        // Network, moving average and two moments, four bytes per value.
        4 * 4 * values + 1024 * 4 * entries.len() as u64 + HEADER
    }

    /// Restores the trainer from the bytes of a file and returns the saved position. The error says
    /// what was found instead.
    fn restore_from<P: DeserializeOwned>(&mut self, bytes: &[u8]) -> Result<P, String> {
        let (state, file) = State::from_bytes(bytes)?;
        let (expected, found) = (self.optimizer().name(), &state.optimizer);
        if found != expected {
            return Err(format!(
                "the optimizer `{}` in place of `{expected}`",
                short(found, 80)
            ));
        }
        let mut file = Reader::new(&file);
        let model = file.network(self.model().clone(), MODEL)?;
        let average = match self.average() {
            Some(average) => Some(file.network(average.clone(), AVERAGE)?),
            None => None,
        };
        let memories = self.memories(&state.steps, &mut file)?;
        file.end()?;
        let position = serde_json::from_value(state.position)
            .map_err(|error| format!("another position: {error}"))?;
        self.restore(model, average, memories)
            .ok_or("the memory of another optimizer")?;
        Ok(position)
    }

    fn memories(
        &self,
        steps: &BTreeMap<String, u64>,
        file: &mut Reader<'_>,
    ) -> Result<Vec<Option<Memory>>, String> {
        let keys = self.model().state_shapes().into_iter().map(|(key, _)| key);
        // Optimizer states have the shapes of the parameters, which the state dict may transpose.
        let mut shapes = Shapes(Vec::new());
        self.model().visit(&mut shapes);
        let entries: Vec<(String, Vec<usize>)> = keys.zip(shapes.0).collect();
        let known: BTreeSet<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        if let Some(key) = steps.keys().find(|key| !known.contains(key.as_str())) {
            return Err(format!("steps of the unknown entry `{}`", short(key, 80)));
        }
        let memory = |((key, shape), rule): (&(String, Vec<usize>), &crate::Rule)| {
            let Some(&steps) = steps.get(key) else {
                return Ok(None);
            };
            if !rule.learns {
                return Err(format!("steps of `{key}`, which does not learn"));
            }
            let tensor = |name: &&str| {
                let tensor = file.tensor(
                    &format!("{OPTIMIZER}{key}.{name}"),
                    shape,
                    **name == *SQUARES,
                );
                tensor.map(|values| TensorData::new(values, shape.clone()))
            };
            let tensors: Result<_, String> = self.optimizer().names().iter().map(tensor).collect();
            let tensors = tensors?;
            match i32::try_from(steps) {
                Ok(steps) if steps > 0 => Ok(Some(Memory {
                    steps: steps as usize,
                    tensors,
                })),
                _ => Err(format!("{steps} steps of `{key}`")),
            }
        };
        entries
            .iter()
            .zip(self.optimizer().rules())
            .map(memory)
            .collect()
    }
}

struct Shapes(Vec<Vec<usize>>);

impl<B: Backend> ModuleVisitor<B> for Shapes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.lazy_shape().to_vec());
    }
}

/// Returns the entries of the state dict as `f32`.
fn entries<B: Backend>(
    prefix: &str,
    model: &impl Network<B>,
) -> impl Iterator<Item = (String, TensorData)> {
    let mut entries = Vec::new();
    let Ok(()) = model.visit_state(|key, data| -> Result<(), std::convert::Infallible> {
        entries.push((format!("{prefix}{key}"), data.convert::<f32>()));
        Ok(())
    });
    entries.into_iter()
}
