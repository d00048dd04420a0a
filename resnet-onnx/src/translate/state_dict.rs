//! Collects the tensors of a graph with the keys of torchvision and timm.

use crate::graph::Constant;
use crate::recognize::{BatchNorm, Conv, Dense, Norm, Normed};
use crate::tensor::{OnnxTensor, Values};

/// The epsilon of every norm in a config that is inferred from a graph.
const EPSILON: f64 = 1e-5;

/// A collection of the tensors of a network.
#[derive(Default)]
pub(super) struct StateDict {
    pub(super) tensors: Vec<OnnxTensor>,
}

impl StateDict {
    fn push(&mut self, key: String, shape: Vec<usize>, values: Values) {
        self.tensors.push(OnnxTensor { key, shape, values });
    }

    fn stored(&mut self, key: String, constant: &Constant, shape: Vec<usize>) {
        self.push(key, shape, Values::Stored(constant.clone()));
    }

    fn vector(&mut self, key: String, values: impl IntoIterator<Item = f64>) {
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        self.push(key, vec![values.len()], Values::Computed(values));
    }

    pub(super) fn conv(&mut self, key: &str, conv: &Conv<'_>) {
        self.stored(
            format!("{key}.weight"),
            conv.weight,
            conv.weight.shape.clone(),
        );
    }

    /// Adds a convolution that no norm follows, so that it must not have a bias.
    pub(super) fn bare_conv(&mut self, key: &str, conv: &Conv<'_>) -> Result<(), String> {
        if conv
            .bias
            .is_some_and(|bias| bias.floats().iter().any(|value| *value != 0.0))
        {
            return Err(conv
                .node
                .fault("has a bias, but no norm follows it; expected none"));
        }
        self.conv(key, conv);
        Ok(())
    }

    /// Adds a norm. A bias alone becomes an equivalent norm.
    pub(super) fn norm(
        &mut self,
        key: &str,
        normed: &Normed<'_>,
        groups: Option<usize>,
    ) -> Result<(), String> {
        match (&normed.norm, groups) {
            (
                Some(Norm::Group {
                    groups: found,
                    scale,
                    bias,
                }),
                Some(groups),
            ) if *found == groups && normed.bias.is_none() => {
                let channels = vec![normed.channels];
                self.stored(format!("{key}.weight"), scale, channels.clone());
                self.stored(format!("{key}.bias"), bias, channels);
                Ok(())
            }
            (Some(Norm::Batch(norm)), None) => {
                self.batch_norm(key, norm, normed);
                Ok(())
            }
            (None, None) => {
                self.bias_as_norm(key, normed);
                Ok(())
            }
            _ => {
                let expected = groups.map_or("a batch norm".to_string(), |groups| {
                    format!("a group norm of {groups} groups")
                });
                Err(normed.node.fault(&format!(
                    "expected {expected} without a bias before it, as in the rest of the network"
                )))
            }
        }
    }

    /// Adds a batch norm. Another epsilon or a bias before it is converted into an equivalent norm.
    fn batch_norm(&mut self, key: &str, norm: &BatchNorm<'_>, normed: &Normed<'_>) {
        let &BatchNorm {
            scale,
            bias,
            mean,
            variance,
            epsilon,
        } = norm;
        let name = |part: &str| format!("{key}.{part}");
        if epsilon == EPSILON && normed.bias.is_none() {
            let parts = [
                ("weight", scale),
                ("bias", bias),
                ("running_mean", mean),
                ("running_var", variance),
            ];
            for (part, constant) in parts {
                self.stored(name(part), constant, vec![normed.channels]);
            }
            return;
        }
        let (scale, variance) = at_epsilon(scale.floats(), variance.floats(), epsilon);
        self.vector(name("weight"), scale);
        self.vector(name("bias"), bias.floats());
        let means = mean.floats().into_iter().zip(shift(normed));
        self.vector(name("running_mean"), means.map(|(mean, bias)| mean - bias));
        self.vector(name("running_var"), variance);
    }

    /// Adds a bias as a norm with scale 1 and mean 0: `sqrt(var + epsilon)` is 1.
    fn bias_as_norm(&mut self, key: &str, normed: &Normed<'_>) {
        let channels = normed.channels;
        let name = |part: &str| format!("{key}.{part}");
        self.vector(name("weight"), vec![1.0; channels]);
        self.vector(name("bias"), shift(normed));
        self.vector(name("running_mean"), vec![0.0; channels]);
        self.vector(name("running_var"), vec![1.0 - EPSILON; channels]);
    }

    /// Adds a linear layer. Its weight gets `ones` trailing axes of length 1. Without a bias in the
    /// graph, the bias is 0.
    pub(super) fn dense(&mut self, key: &str, dense: &Dense<'_>, ones: usize) {
        let mut shape = dense.weight.shape[..2].to_vec();
        let outputs = shape[0];
        shape.extend(std::iter::repeat_n(1, ones));
        self.stored(format!("{key}.weight"), &dense.weight, shape);
        let key = format!("{key}.bias");
        match dense.bias {
            Some(bias) => self.stored(key, bias, vec![outputs]),
            None => self.vector(key, vec![0.0; outputs]),
        }
    }

    pub(super) fn kernel(&mut self, key: &str, kernel: &Constant) {
        self.stored(key.to_string(), kernel, kernel.shape.clone());
    }
}

/// Returns the bias before a norm.
fn shift(normed: &Normed<'_>) -> Vec<f64> {
    match normed.bias {
        Some(bias) => bias.floats(),
        None => vec![0.0; normed.channels],
    }
}

/// Returns weight and variance that give the same result with this crate's epsilon as the given
/// values with `epsilon`.
fn at_epsilon(scale: Vec<f64>, variance: Vec<f64>, epsilon: f64) -> (Vec<f64>, Vec<f64>) {
    let channels = scale.into_iter().zip(variance);
    let channels = channels.map(|(scale, variance)| match variance + epsilon {
        // Loading rejects negative variances and NaN later.
        _ if variance.is_nan() || variance < 0.0 => (scale, variance),
        sum if sum >= EPSILON => (scale, sum - EPSILON),
        sum => (scale * (EPSILON / sum).sqrt(), 0.0),
    });
    channels.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_epsilon_moves_into_the_variance() {
        // 0.5 + 1e-3 = 0.50099 + 1e-5. For a sum below `EPSILON`, the scale is multiplied by
        // sqrt(1e-5 / 2.5e-6) = 2.
        let (scale, variance) = at_epsilon(vec![1.0, 3.0, 1.0], vec![0.5, 1e-6, -1.0], 1e-3);
        assert!((variance[0] - 0.50099).abs() < 1e-12 && scale[0] == 1.0);
        assert_eq!(variance[2], -1.0);
        let (scale, variance) = at_epsilon(vec![3.0], vec![1.5e-6], 1e-6);
        assert!((scale[0] - 6.0).abs() < 1e-12 && variance == [0.0]);
    }
}
