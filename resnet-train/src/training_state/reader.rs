//! Reads the tensors of a file and checks each of them.

use std::collections::BTreeSet;

use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use resnet_core::Network;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

/// A reader that tracks which tensors are still unread.
pub(super) struct Reader<'a> {
    file: &'a SafeTensors<'a>,
    left: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a SafeTensors<'a>) -> Self {
        Self {
            file,
            left: file.names().into_iter().collect(),
        }
    }

    pub(super) fn network<B: Backend, N: Network<B>>(
        &mut self,
        model: N,
        prefix: &str,
    ) -> Result<N, String> {
        model.load_state(|key, shape| {
            let variance = key.ends_with("running_var");
            let values = self.tensor(&format!("{prefix}{key}"), shape, variance)?;
            Ok(Some(TensorData::new(values, shape.to_vec())))
        })
    }

    /// Reads a tensor and checks its shape, that its values are finite and, for `squares`, not
    /// negative.
    pub(super) fn tensor(
        &mut self,
        key: &str,
        shape: &[usize],
        squares: bool,
    ) -> Result<Vec<f32>, String> {
        let view = self.file.tensor(key);
        let view = view.map_err(|_| format!("no tensor `{key}`"))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            let (dtype, found) = (view.dtype(), view.shape());
            return Err(format!(
                "`{key}` of {dtype} {found:?} in place of F32 {shape:?}"
            ));
        }
        let values = view.data().chunks_exact(4);
        let values: Vec<f32> = values
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(format!("{value} in `{key}`"));
        }
        if let Some(value) = values.iter().find(|value| squares && **value < 0.0) {
            return Err(format!("{value} in `{key}`, which holds squares"));
        }
        self.left.remove(key);
        Ok(values)
    }

    pub(super) fn end(&self) -> Result<(), String> {
        match self.left.first() {
            Some(key) => Err(format!("the unexpected tensor `{}`", short(key, 80))),
            None => Ok(()),
        }
    }
}

/// Truncates a text from a file to `letters` characters.
pub(super) fn short(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
