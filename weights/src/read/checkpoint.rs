//! An open checkpoint, whose tensors are read one at a time.

use std::fmt;

use burn::tensor::TensorData;
use resnet_core::ResNetConfig;
use resnet_image::Preprocessing;
use tempfile::TempPath;

use super::container::Container;
use super::{Entry, ReadError, pytorch, safetensors};
use crate::layout::{self, Choice, Head, State, View};
use crate::metadata::Metadata;
use crate::{CategoryIds, KeypointNames, Labels, OutputActivation, onnx};

mod notes;
mod open;

use notes::quoted;

/// An open file of weights: an index of tensors, which are read one at a time.
///
/// # The network in the file
///
/// A training checkpoint contains the state dict below a key, beside the optimizer and other
/// values. The keys of the state dict often have a prefix. Examples are `model_state_dict` with
/// `module.`, and `state_dict` with `model.`.
///
/// The checkpoint searches all paths for the state dict of a residual network. It knows the keys of
/// torchvision, timm, OpenMMLab, the transformers library, and `Sequential(*model.children())`.
///
/// Of several networks, it selects the only one whose path contains `ema`, an exponential moving
/// average (`model_ema`, `state_dict_ema`). Otherwise [`with_state`](Self::with_state) selects the
/// network. [`notes`](Self::notes) lists the ignored tensors.
pub struct Checkpoint {
    file: String,
    container: Container,
    /// All tensors of the file, by the file's keys.
    all: Vec<Entry>,
    states: Vec<State>,
    choice: Choice,
    view: View,
    /// Metadata of the file.
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
            // `resnet-onnx` has already named the tensors.
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

    /// Selects the network `name`: one of [`states`](Self::states), or a unique part of its path.
    ///
    /// # Errors
    ///
    /// Returns an error if the file has no such network, or several.
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

    /// Returns the path or name that was opened.
    pub fn name(&self) -> &str {
        &self.file
    }

    /// Returns the container format of the file.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Returns the path of the state dict in the file, such as `state_dict.module`, or `.` for the
    /// whole file. Returns `None` if there is no network, or if several exist and none is selected.
    pub fn state(&self) -> Option<&str> {
        match self.choice {
            Choice::One(place) => Some(self.states[place].name()),
            Choice::None | Choice::Several => None,
        }
    }

    /// Returns the paths of all networks in the file.
    pub fn states(&self) -> impl ExactSizeIterator<Item = &str> {
        self.states.iter().map(State::name)
    }

    /// Returns the keys of the file that do not belong to the network.
    pub fn left_out(&self) -> &[String] {
        &self.view.left_out
    }

    /// Returns the tensors of the network, sorted by key. Their keys are relative to
    /// [`state`](Self::state). Without a selected network, returns the tensors of the whole file.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.view.entries.iter()
    }

    /// Returns all tensors of the file, by the file's keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.all.iter()
    }

    /// Returns pairs of keys and tensors, with the keys of torchvision and timm.
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

    /// Returns whether the file has several networks and none is selected.
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.choice == Choice::Several
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Returns the config in the file. ONNX files and files of [`Save`](crate::Save) have one.
    pub(crate) fn config(&self) -> Option<&ResNetConfig> {
        self.metadata.config.as_ref()
    }

    /// Returns the class names in the file. Files of [`Save`](crate::Save) may have them.
    pub fn labels(&self) -> Option<&Labels> {
        self.metadata.labels.as_ref()
    }

    /// Returns the preprocessing in the file. Files of [`Save`](crate::Save) may have it.
    pub fn preprocessing(&self) -> Option<Preprocessing> {
        self.metadata.preprocessing
    }

    /// Returns the output activation in the file. Files of [`Save`](crate::Save) may have it.
    pub fn output_activation(&self) -> Option<OutputActivation> {
        self.metadata.activation
    }

    /// Returns the category ids of the classes in the file. Files of [`Save`](crate::Save) may have
    /// them.
    pub fn category_ids(&self) -> Option<&CategoryIds> {
        self.metadata.category_ids.as_ref()
    }

    /// Returns the names of the keypoints in the file. Files of [`Save`](crate::Save) may have them.
    pub fn keypoints(&self) -> Option<&KeypointNames> {
        self.metadata.keypoints.as_ref()
    }

    /// Returns the tensor with this key, if it exists.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let entries = &self.view.entries;
        entries
            .binary_search_by(|entry| entry.key.as_str().cmp(key))
            .ok()
            .and_then(|index| entries.get(index))
    }

    /// Reads a tensor in row-major order, with the file's element type.
    ///
    /// # Errors
    ///
    /// Returns an error if the file does not have the key, or if the tensor is damaged or larger
    /// than the file.
    pub fn read(&self, key: &str) -> Result<TensorData, ReadError> {
        match self.get(key) {
            Some(entry) => self.read_entry(entry),
            None => Err(self.missing(key)),
        }
    }

    /// Returns the error for a key that the file lacks.
    pub(crate) fn missing(&self, key: &str) -> ReadError {
        ReadError::MissingKey {
            file: self.file.clone(),
            key: key.to_string(),
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
