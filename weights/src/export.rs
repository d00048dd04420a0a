//! From a network to a file that PyTorch loads with `strict=True`.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use burn::tensor::{DType, TensorData, backend::Backend};
use resnet_core::ResNet;
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

/// Why a network was not saved. The file is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The folder or the file cannot be written.
    #[error("`{}`: cannot be written; check the folder, your right to write there and the space left", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The network has no norms any more, so it is no network of PyTorch's.
    #[error("`{}`: not written: the network is fused, and PyTorch has no such keys; save it before `fuse()`", .path.display())]
    Fused {
        /// The file.
        path: PathBuf,
    },
    /// The float type has no place in the format.
    #[error("`{}`: not written: `{key}` has type {dtype:?}, expected F64, F32, F16 or BF16", .path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its type.
        dtype: DType,
    },
    /// The serialiser refuses the tensors.
    #[error("`{}`: not written", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: SafeTensorError,
    },
}

/// Saves a network as safetensors with the keys of torchvision and timm, in the float type of its backend.
///
/// The file appears whole or not at all: it is written beside its place, synced and renamed.
///
/// # Errors
///
/// If the file cannot be written, or the network is [fused](ResNet::fuse).
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
pub fn save<B: Backend>(model: &ResNet<B>, path: impl AsRef<Path>) -> Result<(), SaveError> {
    let path = path.as_ref();
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    let result: Result<(), SaveError> = model.visit_state(|key, data| {
        if key.ends_with("conv1.bias") {
            return Err(SaveError::Fused { path: path.into() });
        }
        if let Some(norm) = key.strip_suffix("running_var") {
            let counter = TensorData::new(vec![0_i64], Vec::<usize>::new());
            tensors.push((format!("{norm}num_batches_tracked"), counter));
        }
        tensors.push((key.to_string(), data));
        Ok(())
    });
    result?;
    let views = tensors
        .iter()
        .map(|(key, data)| Ok((key.as_str(), view(path, key, data)?)));
    let views = views.collect::<Result<Vec<_>, SaveError>>()?;
    write(path, views)
}

fn view<'a>(path: &Path, key: &str, data: &'a TensorData) -> Result<TensorView<'a>, SaveError> {
    let dtype = match data.dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
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

/// Not by safetensors' own file writer: its files are private to the user and are not synced.
fn write(path: &Path, views: Vec<(&str, TensorView<'_>)>) -> Result<(), SaveError> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|source| SaveError::Format {
            path: path.into(),
            source,
        })?;
    write_atomically(path, &bytes).map_err(|source| SaveError::Io {
        path: path.into(),
        source,
    })
}

/// Writes a file whole or not at all: beside its place, synced, then renamed. A link is followed to
/// the file behind it; a device or a pipe is written to as it is.
///
/// # Errors
///
/// What the operating system says; nothing is left behind then.
pub fn write_atomically(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = &match path.as_ref().canonicalize() {
        Ok(existing) if existing.is_file() => existing,
        Ok(device) if !device.is_dir() => {
            return std::fs::OpenOptions::new()
                .write(true)
                .open(device)?
                .write_all(bytes);
        }
        _ => path.as_ref().to_path_buf(),
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".writing-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
