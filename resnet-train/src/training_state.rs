//! The state of a run, in one file.

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

/// Where the tensors of the network, its average, and what the optimizer remembers are in the file.
const MODEL: &str = "model.";
const AVERAGE: &str = "average.";
const OPTIMIZER: &str = "optimizer.";

/// Bytes that the header of a file may have beside 1 KiB for each entry of the state dict.
const HEADER: u64 = 1 << 20;

/// Why the state of a run could not be saved, or taken up again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingStateError {
    /// The file cannot be written; what was there before still is.
    #[error("`{}`: the training state cannot be written; check the folder, your right to write there and the space left", .path.display())]
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
    /// The network or the optimizer holds infinities or NaN, so they are not written.
    #[error("`{}`: the training state is not written, and stays as it was: `{key}` holds infinities or NaN; lower the learning rate, or clip gradients", .path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
    },
    /// The run has more epochs behind it than it shall have.
    #[error("`{}`: expected {epochs} epochs or fewer behind the run, found {done}; set `Fit::epochs` to {done} or more", .path.display())]
    Epochs {
        /// The file.
        path: PathBuf,
        /// The epochs that have begun.
        done: u64,
        /// The epochs asked for.
        epochs: u64,
    },
    /// The file is no training state of this run.
    #[error("`{}`: expected a training state of this run, found {found}; resume with the same version, flags and files, or start anew in another folder", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
}

impl<B: AutodiffBackend, N: Trainable<B>> Trainer<B, N> {
    /// Returns a SHA-256 of the network's values and of a text: the same for trainers that start alike.
    ///
    /// # Panics
    ///
    /// If a step panicked before.
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

    /// Writes network, average, what the optimizer remembers, and `position` (anything that the caller needs to go on)
    /// into one file: whole or not at all. The same state gives the same bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if network or optimizer hold infinities or NaN, or the file cannot be written; an older one is
    /// still there then.
    ///
    /// # Panics
    ///
    /// Panics if a step panicked before.
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

    /// Returns the trainer as it was when the file was written, and the position written with it. It must have been made
    /// of a network of the same config and with the same settings.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is damaged, or is of another run.
    ///
    /// # Panics
    ///
    /// Panics if a step panicked before.
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

    /// More bytes than any state of this trainer takes.
    fn largest_file(&self) -> u64 {
        let entries = self.model().state_shapes();
        let values = |shape: &[usize]| shape.iter().map(|&side| side as u64).product::<u64>();
        let values: u64 = entries.iter().map(|(_, shape)| values(shape)).sum();
        // Network, average and two moments.
        4 * 4 * values + 1024 * 4 * entries.len() as u64 + HEADER
    }

    /// Takes over what the bytes of a file say, and returns the position in it; otherwise says what was found.
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
        // Parameters may lie in another order than the state dict has them: what is remembered of them does too.
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

/// The entries of the state dict, in `f32`.
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
