//! Saves a network as safetensors with PyTorch's keys, or as burnpack, Burn's format.

mod annotations;
mod burnpack;
mod float;
mod quantized;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData, backend::Backend};
use burn_store::BurnpackError;
use resnet_core::{LayerGroup, Network, ResNetConfig};
use resnet_dense::DenseConfig;
use resnet_files::write_atomically;
use resnet_image::Preprocessing;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use crate::metadata::Metadata;
use crate::{CategoryIds, KeypointNames, Labels, OutputActivation};

pub use float::{FloatType, UnknownFloatType};

/// The error for a network that was not saved. An existing file stays unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The folder or the file is not writable.
    #[error("`{}`: cannot be written; check the folder, your right to write there and the space left", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The network is fused: it has no normalization layers, so PyTorch has no keys for it.
    #[error("`{}`: not written: the network is fused, and PyTorch has no such keys; save it before `fuse()`", .path.display())]
    Fused {
        /// The file.
        path: PathBuf,
    },
    /// The format does not support the float type.
    #[error("`{}`: not written: `{key}` has type {dtype:?}, expected F64, F32, F16 or BF16", .path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The key of the tensor.
        key: String,
        /// The unsupported type.
        dtype: DType,
    },
    /// A value is out of range for the requested float type.
    #[error("`{}`: not written: `{key}` holds {value}, beyond the range of {dtype}; save it as bf16 or f32", .path.display())]
    Range {
        /// The file.
        path: PathBuf,
        /// The key of the tensor.
        key: String,
        /// The value.
        value: f32,
        /// The float type.
        dtype: FloatType,
    },
    /// `burn-store` rejects the tensors.
    #[error("`{}`: not written", .path.display())]
    Burnpack {
        /// The file.
        path: PathBuf,
        /// The error of `burn-store`.
        source: BurnpackError,
    },
    /// The config cannot be written as JSON.
    #[error("`{}`: not written: the config of the network", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The error of the serializer.
        source: serde_json::Error,
    },
    /// The safetensors serializer rejects the tensors.
    #[error("`{}`: not written", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The error of the serializer.
        source: SafeTensorError,
    },
}

/// Saves a network as safetensors with the keys of torchvision and timm, in the float type of the
/// backend. Shorthand for [`Save::safetensors`].
///
/// # Errors
///
/// Returns an error if the file cannot be written, or the network is [fused](Network::fuse).
///
/// ```
/// use burn::backend::Flex;
/// use resnet_core::{Arch, ResNet};
///
/// let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("test_resnet.safetensors");
/// resnet_weights::save(&model, &path)?;
/// assert_eq!(resnet_weights::Checkpoint::open(&path)?.infer()?.name.as_deref(), Some("test_resnet"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save<B: Backend>(model: &impl Network<B>, path: impl AsRef<Path>) -> Result<(), SaveError> {
    Save::default().safetensors(model, path)
}

/// The options for saving a network.
///
/// A file is written atomically: to a temporary file beside it, which is synced and renamed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Save {
    dtype: Option<FloatType>,
    labels: Option<Labels>,
    preprocessing: Option<Preprocessing>,
    activation: Option<OutputActivation>,
    dense_config: Option<DenseConfig>,
    category_ids: Option<CategoryIds>,
    keypoints: Option<KeypointNames>,
}

impl Save {
    /// Saves every tensor in this float type. The default is the float type of the backend.
    pub fn with_dtype(self, dtype: FloatType) -> Self {
        Self {
            dtype: Some(dtype),
            ..self
        }
    }

    /// Adds the class names to the metadata.
    pub fn with_labels(self, labels: Labels) -> Self {
        Self {
            labels: Some(labels),
            ..self
        }
    }

    /// Adds the preprocessing to the metadata.
    pub fn with_preprocessing(self, preprocessing: Preprocessing) -> Self {
        Self {
            preprocessing: Some(preprocessing),
            ..self
        }
    }

    /// Adds the output activation to the metadata.
    pub fn with_output_activation(self, activation: OutputActivation) -> Self {
        Self {
            activation: Some(activation),
            ..self
        }
    }

    /// Adds the config of a detector or segmentation network to the metadata. Without it, loading
    /// assumes torchvision's values for options that keys and shapes do not show, such as anchors
    /// and image sizes.
    pub fn with_dense_config(self, config: impl Into<DenseConfig>) -> Self {
        Self {
            dense_config: Some(config.into()),
            ..self
        }
    }

    /// Writes safetensors with the keys of torchvision and timm, which
    /// `load_state_dict(strict=True)` accepts.
    ///
    /// The metadata contain the config, because [`Checkpoint::infer`](crate::Checkpoint::infer)
    /// cannot infer all of it from the keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written, a value is out of range for the float type,
    /// or the network is [fused](Network::fuse).
    pub fn safetensors<B: Backend>(
        &self,
        model: &impl Network<B>,
        path: impl AsRef<Path>,
    ) -> Result<(), SaveError> {
        let path = path.as_ref();
        let mut tensors: Vec<(String, TensorData)> = Vec::new();
        self.each_tensor(model, path, |key, data| {
            if let Some(norm) = key.strip_suffix("running_var") {
                let counter = TensorData::new(vec![0_i64], Vec::<usize>::new());
                tensors.push((format!("{norm}num_batches_tracked"), counter));
            }
            tensors.push((key.to_string(), data));
        })?;
        let views = tensors
            .iter()
            .map(|(key, data)| Ok((key.as_str(), view(path, key, data)?)));
        let views = views.collect::<Result<Vec<_>, SaveError>>()?;
        write(path, views, self.metadata(model, path)?)
    }

    /// Returns the metadata of the file.
    fn metadata<B: Backend>(
        &self,
        model: &impl Network<B>,
        path: &Path,
    ) -> Result<BTreeMap<&'static str, String>, SaveError> {
        let metadata = self.of_config(model.saved_config().cloned());
        metadata.to_header().map_err(|source| SaveError::Config {
            path: path.into(),
            source,
        })
    }

    fn of_config(&self, config: Option<ResNetConfig>) -> Metadata {
        Metadata {
            config,
            labels: self.labels.clone(),
            preprocessing: self.preprocessing,
            activation: self.activation,
            dense_config: self.dense_config.clone(),
            category_ids: self.category_ids.clone(),
            keypoints: self.keypoints.clone(),
            ..Metadata::default()
        }
    }

    /// Passes every tensor of the network to a function, in the requested float type.
    fn each_tensor<B: Backend>(
        &self,
        model: &impl Network<B>,
        path: &Path,
        mut each: impl FnMut(&str, TensorData),
    ) -> Result<(), SaveError> {
        model.visit_state(|key, data| {
            let is_backbone =
                model.saved_config().is_some() || model.layer_group(key) != LayerGroup::Head;
            if is_backbone && key.ends_with("conv1.bias") {
                return Err(SaveError::Fused { path: path.into() });
            }
            let data = match self.dtype {
                Some(dtype) => dtype.cast(data).map_err(|value| SaveError::Range {
                    path: path.into(),
                    key: key.into(),
                    value,
                    dtype,
                })?,
                None => data,
            };
            each(key, data);
            Ok(())
        })
    }
}

fn view<'a>(path: &Path, key: &str, data: &'a TensorData) -> Result<TensorView<'a>, SaveError> {
    let dtype = match data.dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I8 => Dtype::I8,
        dtype => {
            return Err(SaveError::Dtype {
                path: path.into(),
                key: key.into(),
                dtype,
            });
        }
    };
    TensorView::new(dtype, data.shape.to_vec(), data.as_bytes()).map_err(|source| {
        SaveError::Format {
            path: path.into(),
            source,
        }
    })
}

/// Writes the file. safetensors' own file writer is not used: its files are private to the user and
/// not synced.
fn write(
    path: &Path,
    views: Vec<(&str, TensorView<'_>)>,
    mut metadata: BTreeMap<&'static str, String>,
) -> Result<(), SaveError> {
    metadata.insert("format", "pt".into());
    let unsorted = metadata.iter();
    let unsorted: HashMap<_, _> = unsorted
        .map(|(key, value)| (key.to_string(), value.clone()))
        .collect();
    let bytes = safetensors::serialize(views, Some(unsorted));
    let mut bytes = bytes.map_err(|source| SaveError::Format {
        path: path.into(),
        source,
    })?;
    sort_metadata(&mut bytes, &metadata);
    write_atomically(path, &bytes).map_err(|source| SaveError::Io {
        path: path.into(),
        source,
    })
}

/// Sorts the metadata, which safetensors writes in hash map order, so that the same network gives
/// the same file.
fn sort_metadata(bytes: &mut [u8], metadata: &BTreeMap<&'static str, String>) {
    const LENGTH_BYTES: usize = 8;
    const START: &[u8] = b"{\"__metadata__\":";
    let header = bytes.get_mut(LENGTH_BYTES..).unwrap_or_default();
    if let (Ok(sorted), true) = (serde_json::to_vec(metadata), header.starts_with(START))
        && let Some(place) = header.get_mut(START.len()..START.len() + sorted.len())
    {
        place.copy_from_slice(&sorted);
    }
}
