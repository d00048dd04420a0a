//! An open checkpoint: its index, and its tensors one at a time.

use std::fmt;

use burn::tensor::TensorData;
use resnet_core::ResNetConfig;
use resnet_image::Preprocessing;
use tempfile::TempPath;

use super::container::Container;
use super::{Entry, ReadError, pytorch, safetensors};
use crate::layout::{self, Choice, Head, State, View};
use crate::metadata::Metadata;
use crate::{Labels, OutputActivation, onnx};

mod notes;
mod open;

use notes::quoted;

/// An open file of weights: its index, and its tensors one at a time.
///
/// # The network in the file
///
/// A training checkpoint holds the state dict below a key, often behind a prefix, beside the
/// optimizer and other things: `model_state_dict` and `module.`, `state_dict` and `model.`. The
/// checkpoint enters the only path below which a residual network lies, whatever its name and
/// depth. It knows the keys of torchvision and timm, of OpenMMLab, of the transformers library,
/// and of `Sequential(*model.children())`. If there are several networks and the path of exactly
/// one names a moving average (`model_ema`, `state_dict_ema`), it takes that one. Otherwise
/// [`with_state`](Self::with_state) chooses. [`notes`](Self::notes) tells what was left out.
pub struct Checkpoint {
    file: String,
    container: Container,
    /// All tensors of the file under the file's keys.
    all: Vec<Entry>,
    states: Vec<State>,
    choice: Choice,
    view: View,
    /// What the file says about the network, beside its tensors.
    metadata: Metadata,
    source: Source,
    /// Deleted after `source` is dropped, which keeps the files open.
    _temporaries: Vec<TempPath>,
}

enum Source {
    Pytorch(pytorch::Tensors),
    Safetensors(safetensors::Tensors),
    Onnx(onnx::Tensors),
}

impl Checkpoint {
    fn new(
        file: String,
        container: Container,
        all: Vec<Entry>,
        source: Source,
        temporaries: Vec<TempPath>,
    ) -> Result<Self, ReadError> {
        if all.is_empty() {
            return Err(ReadError::NoTensors { file });
        }
        let states = match container {
            // The reader of graphs has named the tensors itself.
            Container::Onnx => Vec::new(),
            _ => layout::find(&all),
        };
        let choice = layout::choose(&states);
        let view = match choice {
            Choice::One(place) => states[place].view(&all, &states),
            Choice::None | Choice::Several => View::of_all(&all),
        };
        Ok(Checkpoint {
            file,
            container,
            all,
            states,
            choice,
            view,
            metadata: Metadata::default(),
            source,
            _temporaries: temporaries,
        })
    }

    /// Reads the file as the network below `name`, one of [`states`](Self::states) or a part of
    /// its path that no other has.
    ///
    /// # Errors
    ///
    /// If the file has no such network, or several.
    pub fn with_state(mut self, name: &str) -> Result<Self, ReadError> {
        let part = |state: &State| {
            let path = format!(".{}.", state.name());
            path.contains(&format!(".{name}."))
        };
        let exact = |state: &State| state.name() == name;
        let places = |wanted: &dyn Fn(&State) -> bool| -> Vec<usize> {
            (0..self.states.len())
                .filter(|&place| wanted(&self.states[place]))
                .collect()
        };
        let found = match places(&exact)[..] {
            [place] => Some(place),
            _ => match places(&part)[..] {
                [place] => Some(place),
                _ => None,
            },
        };
        let Some(place) = found else {
            return Err(ReadError::UnknownState {
                file: self.file,
                name: name.to_string(),
                found: quoted(self.states.iter().map(State::name)),
            });
        };
        self.choice = Choice::One(place);
        self.view = self.states[place].view(&self.all, &self.states);
        Ok(self)
    }

    /// The path or name the checkpoint was opened by.
    pub fn name(&self) -> &str {
        &self.file
    }

    /// How the file lays its tensors out.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The path of dictionaries and prefixes below which the network lies:
    /// `state_dict.module`, or `.` for the whole file. None if there is no network, or several.
    pub fn state(&self) -> Option<&str> {
        match self.choice {
            Choice::One(place) => Some(self.states[place].name()),
            Choice::None | Choice::Several => None,
        }
    }

    /// The paths of all networks in the file.
    pub fn states(&self) -> impl ExactSizeIterator<Item = &str> {
        self.states.iter().map(State::name)
    }

    /// Keys of the file that do not belong to the network.
    pub fn left_out(&self) -> &[String] {
        &self.view.left_out
    }

    /// The tensors of the network, sorted by key, without the path before their keys; those of
    /// the whole file if there is no network, or several.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.view.entries.iter()
    }

    /// All tensors of the file, under the file's keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.all.iter()
    }

    /// Key and tensor under the names of torchvision and timm.
    pub(crate) fn by_key(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let entry = |place: usize| self.view.entries.get(place);
        let places = self.view.places.iter();
        places.filter_map(move |(key, place)| Some((key.as_str(), entry(*place)?)))
    }

    pub(crate) fn head(&self) -> &Head {
        &self.view.head
    }

    pub(crate) fn stem_pool(&self) -> Option<bool> {
        self.view.stem_pool
    }

    /// Whether the file holds several networks and none was chosen.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.choice == Choice::Several
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The network that the file describes beside its tensors: ONNX files do, and what [`Save`](crate::Save) wrote.
    pub(crate) fn config(&self) -> Option<&ResNetConfig> {
        self.metadata.config.as_ref()
    }

    /// The names of the classes, where the file tells them: files that [`Save`](crate::Save) wrote may.
    pub fn labels(&self) -> Option<&Labels> {
        self.metadata.labels.as_ref()
    }

    /// How the network wants its images, where the file tells it: files that [`Save`](crate::Save) wrote may.
    pub fn preprocessing(&self) -> Option<Preprocessing> {
        self.metadata.preprocessing
    }

    /// What turns logits into probabilities, where the file tells it: files that
    /// [`Save`](crate::Save) wrote may.
    pub fn output_activation(&self) -> Option<OutputActivation> {
        self.metadata.activation
    }

    /// The tensor of this name, if the file has it.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let entries = &self.view.entries;
        entries
            .binary_search_by(|entry| entry.key.as_str().cmp(key))
            .ok()
            .and_then(|index| entries.get(index))
    }

    /// Reads a tensor in the file's element type, in row-major order.
    ///
    /// # Errors
    ///
    /// A key the file does not have, a damaged tensor, or one larger than the file.
    pub fn read(&self, key: &str) -> Result<TensorData, ReadError> {
        match self.get(key) {
            Some(entry) => self.read_entry(entry),
            None => Err(ReadError::MissingKey {
                file: self.file.clone(),
                key: key.to_string(),
            }),
        }
    }

    pub(crate) fn read_entry(&self, entry: &Entry) -> Result<TensorData, ReadError> {
        match &self.source {
            Source::Pytorch(tensors) => tensors.read(&self.file, entry),
            Source::Safetensors(tensors) => tensors.read(&self.file, entry),
            Source::Onnx(tensors) => Ok(tensors.read(entry)),
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("file", &self.file)
            .field("container", &self.container)
            .field("state", &self.state())
            .field("entries", &self.view.entries.len())
            .finish_non_exhaustive()
    }
}
