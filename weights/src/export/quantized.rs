//! Saves quantized networks.

use std::path::Path;

use resnet_engine::QuantizedNetwork;

use super::{Save, SaveError, view, write};
use crate::metadata::Metadata;
use crate::{QuantizationInfo, quantized};

impl Save {
    /// Writes a quantized network as safetensors.
    ///
    /// The tensors are `KEY.weight` (`i8`), `KEY.weight_scale` and `KEY.bias` of each quantized layer,
    /// with its batch norm folded, and the tensors of all other layers with PyTorch's keys. The
    /// metadata have the config, and the scales of the activations.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn quantized(
        &self,
        network: &QuantizedNetwork,
        info: &QuantizationInfo,
        path: impl AsRef<Path>,
    ) -> Result<(), SaveError> {
        let path = path.as_ref();
        let tensors = quantized::tensors(network);
        let views = tensors
            .iter()
            .map(|(key, data)| Ok((key.as_str(), view(path, key, data)?)));
        let views = views.collect::<Result<Vec<_>, SaveError>>()?;
        let metadata = Metadata {
            quantization: Some(info.clone()),
            ..self.of_config(Some(network.config.clone()))
        };
        let header = metadata.to_header().map_err(|source| SaveError::Config {
            path: path.into(),
            source,
        })?;
        write(path, views, header)
    }
}
