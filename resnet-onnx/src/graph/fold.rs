//! Constant folding, and removal of nodes that only forward their input.

use std::collections::HashMap;

use super::constant::Constant;
use super::node::{Attribute, Node};

type Constants = HashMap<String, Constant>;

/// Returns the value that a node forwards unchanged.
pub(super) fn forwarded(node: &Node, constants: &Constants) -> Option<String> {
    let input = node.inputs.first().filter(|input| !input.is_empty())?;
    let forwards = match node.op.as_str() {
        "Identity" => true,
        // The third input enables dropout as in training.
        "Dropout" => node.inputs.get(2).is_none_or(|training| {
            training.is_empty() || constants.get(training).is_some_and(Constant::is_false)
        }),
        // `DataType` float, float16, double or bfloat16. A cast of non-float values to float is not
        // part of an image network.
        "Cast" => {
            matches!(
                node.attributes.get("to"),
                Some(Attribute::Int(1 | 10 | 11 | 16))
            ) && constants.get(input).is_none_or(Constant::is_float)
        }
        _ => false,
    };
    forwards.then(|| input.clone())
}

/// Returns the result of a node whose inputs are all constants, for operators that rearrange
/// weights.
pub(super) fn folded(node: &Node, constants: &Constants) -> Option<Constant> {
    if node.op == "Constant" {
        return value(node);
    }
    let constant = constants
        .get(node.inputs.first()?)
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
                None => constants.get(node.inputs.get(1)?)?.ints()?,
            };
            unsqueezed(constant, &axes)
        }
        "Reshape" => {
            let shape = constants.get(node.inputs.get(1)?)?.ints()?;
            let shape = shape.iter().map(|&extent| usize::try_from(extent));
            constant.reshaped(shape.collect::<Result<_, _>>().ok()?)
        }
        _ => None,
    }
}

/// Returns the value of a `Constant` node.
fn value(node: &Node) -> Option<Constant> {
    match node.attributes.iter().next()? {
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
    }
}

fn unsqueezed(constant: &Constant, axes: &[i64]) -> Option<Constant> {
    let rank = constant.shape.len() + axes.len();
    let axes = axes
        .iter()
        .map(|&axis| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }));
    let axes: Vec<usize> = axes.collect::<Result<_, _>>().ok()?;
    let mut extents = constant.shape.iter().copied();
    let shape = (0..rank).map(|axis| match axes.contains(&axis) {
        true => Some(1),
        false => extents.next(),
    });
    constant.reshaped(shape.collect::<Option<_>>()?)
}
