//! Nodes that compute nothing at run time: they hand a value on, or rearrange constants.

use super::constant::Constant;
use super::graph::Graph;
use super::node::{Attribute, Node};

impl Graph {
    /// The value that a node only hands on.
    pub(super) fn handed_on(&self, node: &Node) -> Option<String> {
        let input = node.inputs.first().filter(|input| !input.is_empty())?;
        let hands_on = match node.op.as_str() {
            "Identity" => true,
            // The third input asks for the dropout of training.
            "Dropout" => node.inputs.get(2).is_none_or(|training| {
                training.is_empty() || self.constant(training).is_some_and(Constant::is_false)
            }),
            // `DataType`: float, float16, double, bfloat16. A value that was no float is none of an image.
            "Cast" => {
                matches!(
                    node.attributes.get("to"),
                    Some(Attribute::Int(1 | 10 | 11 | 16))
                ) && self.constant(input).is_none_or(Constant::is_float)
            }
            _ => false,
        };
        hands_on.then(|| input.clone())
    }

    /// The tensor that a node of constants alone gives, for the nodes that rearrange weights.
    pub(super) fn folded(&self, node: &Node) -> Option<Constant> {
        if node.op == "Constant" {
            return match node.attributes.iter().next()? {
                (_, Attribute::Tensor(constant)) => Some(constant.clone()),
                (key, Attribute::Float(value)) if key == "value_float" => {
                    Some(Constant::of_floats(&[*value], vec![]))
                }
                (key, Attribute::Floats(values)) if key == "value_floats" => {
                    Some(Constant::of_floats(values, vec![values.len()]))
                }
                (key, Attribute::Int(value)) if key == "value_int" => {
                    Some(Constant::of_ints(&[*value], vec![]))
                }
                (key, Attribute::Ints(values)) if key == "value_ints" => {
                    Some(Constant::of_ints(values, vec![values.len()]))
                }
                _ => None,
            };
        }
        let constant = self
            .constant(node.inputs.first()?)
            .filter(|constant| constant.is_float())?;
        match node.op.as_str() {
            "Transpose"
                if constant.shape.len() == 2
                    && node
                        .ints("perm")
                        .is_ok_and(|perm| perm.is_none_or(|perm| perm == [1, 0])) =>
            {
                constant.transpose()
            }
            "Unsqueeze" => {
                let axes = match node.ints("axes").ok()? {
                    Some(axes) => axes.to_vec(),
                    None => self.constant(node.inputs.get(1)?)?.ints()?,
                };
                let rank = constant.shape.len() + axes.len();
                let mut axes = axes
                    .iter()
                    .map(|&axis| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }));
                let axes: Vec<usize> = axes.by_ref().collect::<Result<_, _>>().ok()?;
                let mut extents = constant.shape.iter().copied();
                let shape: Option<Vec<usize>> = (0..rank)
                    .map(|axis| {
                        if axes.contains(&axis) {
                            Some(1)
                        } else {
                            extents.next()
                        }
                    })
                    .collect();
                constant.reshaped(shape?)
            }
            "Reshape" => {
                let shape = self.constant(node.inputs.get(1)?)?.ints()?;
                let shape: Vec<usize> = shape
                    .iter()
                    .map(|&extent| usize::try_from(extent))
                    .collect::<Result<_, _>>()
                    .ok()?;
                constant.reshaped(shape)
            }
            _ => None,
        }
    }
}
