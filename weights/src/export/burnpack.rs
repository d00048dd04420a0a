//! Writes burnpack, Burn's format.

use std::path::Path;
use std::rc::Rc;

use burn::tensor::{DType, backend::Backend};
use burn_store::{BurnpackStore, ModuleAdapter, ModuleSnapshot, TensorSnapshot};
use resnet_core::Network;
use resnet_files::write_atomically;

use super::{FloatType, Save, SaveError};

impl Save {
    /// Writes burnpack, Burn's format, with the paths of the module's fields.
    ///
    /// `burn_store::BurnpackStore` loads it into a network of the same config. The metadata contain
    /// the config under `resnet_config`.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`safetensors`](Self::safetensors).
    pub fn burnpack<B: Backend>(
        &self,
        model: &impl Network<B>,
        path: impl AsRef<Path>,
    ) -> Result<(), SaveError> {
        let path = path.as_ref();
        // Checks the range of all values: the store would turn large values into infinity.
        self.each_tensor(model, path, |_, _| {})?;
        let failed = |source| SaveError::Burnpack {
            path: path.into(),
            source,
        };
        let metadata = self.metadata(model, path)?.into_iter();
        let mut store = metadata.fold(BurnpackStore::from_bytes(None), |store, (key, value)| {
            store.metadata(key, value)
        });
        if let Some(dtype) = self.dtype {
            store = store.with_to_adapter(dtype);
        }
        model.save_into(&mut store).map_err(failed)?;
        let bytes = store.get_bytes().map_err(failed)?;
        write_atomically(path, &bytes).map_err(|source| SaveError::Io {
            path: path.into(),
            source,
        })
    }
}

/// Casts every float tensor when a store is loaded or saved.
///
/// A store keeps the float types of its file. Use the float type as an adapter to load an `f16`
/// file on an `f32` backend:
///
/// ```
/// use burn::backend::Flex;
/// use burn_store::{BurnpackStore, ModuleSnapshot};
/// use resnet_core::{Arch, ResNet};
/// use resnet_weights::{FloatType, Save};
///
/// let model: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("half.bpk");
/// Save::default().with_dtype(FloatType::F16).burnpack(&model, &path)?;
///
/// let mut store = BurnpackStore::from_file(&path).with_from_adapter(FloatType::F32);
/// let mut loaded: ResNet<Flex> = Arch::TestResNet.config().init(&Default::default());
/// loaded.load_from(&mut store)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl ModuleAdapter for FloatType {
    fn adapt(&self, snapshot: &TensorSnapshot) -> TensorSnapshot {
        let dtype = self.dtype();
        let is_float = matches!(
            snapshot.dtype,
            DType::F64 | DType::F32 | DType::F16 | DType::BF16
        );
        if !is_float || snapshot.dtype == dtype {
            return snapshot.clone();
        }
        let read = snapshot.clone_data_fn();
        TensorSnapshot::from_closure(
            Rc::new(move || Ok(read()?.convert_dtype(dtype))),
            dtype,
            snapshot.shape.clone(),
            snapshot.path_stack.clone().unwrap_or_default(),
            snapshot.container_stack.clone().unwrap_or_default(),
            snapshot.tensor_id.unwrap_or_default(),
        )
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(*self)
    }
}
