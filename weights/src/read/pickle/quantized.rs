//! Records the tensors of pickles that have quantized ones, which pytorch-reader does not read.

use super::calls::{DEQUANTIZE, refuse};
use super::{Machine, ScanError, Value};

/// The function that creates a quantized tensor.
pub(super) const QUANTIZED: &str = "torch._utils._rebuild_qtensor";

/// A tensor of a pickle.
#[derive(Clone, Debug)]
pub(in crate::read) struct Recorded {
    /// Class of the storage, such as `QInt8Storage`.
    pub(in crate::read) class: String,
    /// Key of the storage: the name of its file in the archive.
    pub(in crate::read) storage: String,
    pub(in crate::read) offset: u64,
    pub(in crate::read) shape: Vec<u64>,
    pub(in crate::read) stride: Vec<u64>,
    pub(in crate::read) scales: Scales,
}

/// The scales of a quantized tensor.
#[derive(Clone, Debug)]
pub(in crate::read) enum Scales {
    /// The tensor has floats.
    None,
    /// One scale for all integers, and a zero point.
    PerTensor(f64, i64),
    /// A scale and a zero point for each index of the first axis.
    PerChannel(Box<[Recorded; 2]>),
}

impl Machine {
    /// Returns the tensor that a call creates, or `None` for other calls and without quantized
    /// tensors.
    pub(super) fn record(
        &self,
        name: &str,
        arguments: Value,
    ) -> Result<Option<Recorded>, ScanError> {
        let arguments = self.items(arguments);
        let quantized = match name {
            _ if !self.accepts_quantized => return Ok(None),
            "torch._utils._rebuild_tensor_v2" => false,
            QUANTIZED => true,
            "torch._utils._rebuild_parameter" => {
                return Ok(match arguments.first() {
                    Some(Value::Tensor(tensor)) => Some(self.tensors[*tensor].clone()),
                    _ => None,
                });
            }
            _ => return Ok(None),
        };
        let tensor = self.tensor(arguments, quantized);
        match (tensor, quantized) {
            // `check_call` has checked the call.
            (tensor, false) => Ok(tensor),
            (Some(tensor), true) => Ok(Some(tensor)),
            (None, true) => Err(refuse(
                format!("holds quantized tensors of an unknown form (`{name}`)"),
                DEQUANTIZE,
            )),
        }
    }

    fn tensor(&self, arguments: &[Value], quantized: bool) -> Option<Recorded> {
        let [storage, offset, shape, stride, rest @ ..] = arguments else {
            return None;
        };
        let Value::Storage(storage) = *storage else {
            return None;
        };
        let storage = &self.storages[storage];
        let scales = match quantized {
            true => self.scales(*rest.first()?)?,
            false => Scales::None,
        };
        Some(Recorded {
            class: storage.class.clone(),
            storage: storage.key.clone(),
            offset: self.number(*offset)?,
            shape: self.numbers(*shape)?,
            stride: self.numbers(*stride)?,
            scales,
        })
    }

    /// Reads `(scheme, scale, zero point)`, or `(scheme, scales, zero points, axis)`.
    fn scales(&self, quantizer: Value) -> Option<Scales> {
        let items = self.items(quantizer);
        let scheme = self.name(*items.first()?)?;
        match (scheme, &items[1..]) {
            ("torch.per_tensor_affine", [Value::Float(scale), Value::Int(zero_point)]) => {
                Some(Scales::PerTensor(*scale, *zero_point))
            }
            (
                "torch.per_channel_affine",
                [Value::Tensor(scales), Value::Tensor(zeros), Value::Int(0)],
            ) => {
                let pair = [*scales, *zeros].map(|tensor| self.tensors[tensor].clone());
                // Scales have no scales of their own.
                pair.iter()
                    .all(|tensor| matches!(tensor.scales, Scales::None))
                    .then(|| Scales::PerChannel(Box::new(pair)))
            }
            _ => None,
        }
    }

    fn number(&self, value: Value) -> Option<u64> {
        match value {
            Value::Int(number) => number.try_into().ok(),
            _ => None,
        }
    }

    fn numbers(&self, value: Value) -> Option<Vec<u64>> {
        /// Most axes of a tensor. Each tensor has a copy of its shape.
        const AXES: usize = 8;
        let Value::Tuple(tuple) = value else {
            return None;
        };
        if self.tuples[tuple].len() > AXES {
            return None;
        }
        self.tuples[tuple]
            .iter()
            .map(|item| self.number(*item))
            .collect()
    }

    /// Returns the tensors of the top dictionary if some are quantized.
    pub(super) fn quantized(&self) -> Option<Vec<(String, Recorded)>> {
        let is_quantized = |tensor: &Recorded| !matches!(tensor.scales, Scales::None);
        if !self.tensors.iter().any(is_quantized) {
            return None;
        }
        /// Longest key with the keys of the dictionaries around it.
        const LONGEST: usize = 512;
        let mut found = Vec::new();
        let mut waiting = vec![(String::new(), *self.stack.last()?)];
        // A dictionary may contain itself.
        let mut left = self.dicts.len() + 1;
        while let Some((prefix, value)) = waiting.pop() {
            let Value::Dict(dict) = value else {
                continue;
            };
            left = left.checked_sub(1)?;
            for [key, value] in &self.dicts[dict] {
                let Some(key) = self.name(*key) else {
                    continue;
                };
                let path = match prefix.as_str() {
                    "" => key.to_string(),
                    prefix => format!("{prefix}.{key}"),
                };
                if path.len() > LONGEST {
                    continue;
                }
                match value {
                    Value::Tensor(tensor) => found.push((path, self.tensors[*tensor].clone())),
                    Value::Dict(_) => waiting.push((path, *value)),
                    // The weight and the bias of a linear layer.
                    Value::Tuple(tuple) => {
                        let layer = path.strip_suffix("._packed_params._packed_params");
                        let values = self.tuples[*tuple].iter().zip(["weight", "bias"]);
                        let (Some(layer), values) = (layer, values) else {
                            continue;
                        };
                        for (value, name) in values {
                            if let Value::Tensor(tensor) = value {
                                let tensor = self.tensors[*tensor].clone();
                                found.push((format!("{layer}.{name}"), tensor));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Some(found)
    }
}
