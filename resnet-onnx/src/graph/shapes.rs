//! Evaluates shapes and pads that a graph computes: exporters write `x.view(x.shape[0], -1)` as
//! nodes.

use std::cell::Cell;

use super::Graph;
use super::constant::Constant;
use super::node::{Attribute, Node};

/// A dimension, as far as it is known without an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extent {
    Int(i64),
    /// The batch size.
    Batch,
    Unknown,
}

/// A small integer array with one or two axes.
#[derive(Clone, Debug)]
struct Small {
    /// The row length of an array with two axes.
    row: Option<usize>,
    values: Vec<Extent>,
}

/// The evaluation limit; exported networks need fewer steps.
const MAX_STEPS: usize = 256;
const MAX_VALUES: usize = 32;

impl Graph {
    /// Returns the integers in a value, if they depend only on constants and the batch size.
    pub(crate) fn extents(&self, value: &str) -> Option<Vec<Extent>> {
        self.small(value, &Cell::new(MAX_STEPS))
            .map(|small| small.values)
    }

    /// Returns the integers in a value, if they depend only on constants.
    pub(crate) fn ints(&self, value: &str) -> Option<Vec<i64>> {
        let values = self.extents(value)?;
        values
            .into_iter()
            .map(|extent| match extent {
                Extent::Int(value) => Some(value),
                _ => None,
            })
            .collect()
    }

    fn small(&self, value: &str, steps: &Cell<usize>) -> Option<Small> {
        steps.set(steps.get().checked_sub(1)?);
        if let Some(constant) = self.constant(value) {
            return Small::of(constant);
        }
        let node = self.producer(value)?;
        let input = |index: usize| self.small(node.inputs.get(index)?, steps);
        match node.op.as_str() {
            "Shape" => shape(node),
            "Cast" | "Squeeze" | "Unsqueeze" => input(0).filter(Small::has_one_axis),
            "Gather" => gather(&input(0).filter(Small::has_one_axis)?, &input(1)?),
            "Concat" => concat((0..node.inputs.len()).map(input).collect::<Option<_>>()?),
            "ConstantOfShape" => constant_of_shape(node, || input(0)),
            "Reshape" => reshape(input(0)?, &input(1)?),
            "Transpose" => transpose(&input(0)?),
            "Slice" => slice(input(0)?, [input(1)?, input(2)?, input(3)?, input(4)?]),
            _ => None,
        }
    }
}

impl Small {
    fn of(constant: &Constant) -> Option<Self> {
        let row = match constant.shape[..] {
            [] | [_] => None,
            [_, row] if row > 0 => Some(row),
            _ => return None,
        };
        let values = constant.ints()?.into_iter().map(Extent::Int).collect();
        Some(Self { row, values })
    }

    fn flat(values: Vec<Extent>) -> Self {
        Self { row: None, values }
    }

    fn has_one_axis(&self) -> bool {
        self.row.is_none()
    }
}

/// Evaluates a `Shape` node. The first dimension of every value is the batch.
fn shape(node: &Node) -> Option<Small> {
    let shape = [
        Extent::Batch,
        Extent::Unknown,
        Extent::Unknown,
        Extent::Unknown,
    ];
    let start = usize::try_from(node.int("start", 0).ok()?).ok()?;
    let end = usize::try_from(node.int("end", 4).ok()?).ok()?.min(4);
    Some(Small::flat(shape.get(start..end)?.to_vec()))
}

fn gather(from: &Small, indices: &Small) -> Option<Small> {
    let values = indices.values.iter().map(|index| match index {
        Extent::Int(index) => {
            let index = if *index < 0 {
                index + from.values.len() as i64
            } else {
                *index
            };
            from.values.get(usize::try_from(index).ok()?).copied()
        }
        _ => None,
    });
    Some(Small::flat(values.collect::<Option<_>>()?))
}

fn concat(parts: Vec<Small>) -> Option<Small> {
    let one_axis = parts.iter().all(Small::has_one_axis);
    let values: Vec<_> = parts.into_iter().flat_map(|part| part.values).collect();
    (one_axis && values.len() <= MAX_VALUES).then(|| Small::flat(values))
}

fn constant_of_shape(node: &Node, shape: impl FnOnce() -> Option<Small>) -> Option<Small> {
    let Some(Attribute::Tensor(value)) = node.attributes.get("value") else {
        return None;
    };
    let (&[value], [Extent::Int(length)]) = (&value.ints()?[..], &shape()?.values[..]) else {
        return None;
    };
    let length = usize::try_from(*length)
        .ok()
        .filter(|length| *length <= MAX_VALUES)?;
    Some(Small::flat(vec![Extent::Int(value); length]))
}

fn reshape(small: Small, to: &Small) -> Option<Small> {
    let values = small.values;
    match to.values[..] {
        [Extent::Int(-1)] => Some(Small::flat(values)),
        [Extent::Int(-1), Extent::Int(row)] => {
            let row = usize::try_from(row)
                .ok()
                .filter(|row| *row > 0 && values.len().is_multiple_of(*row))?;
            Some(Small {
                row: Some(row),
                values,
            })
        }
        _ => None,
    }
}

fn transpose(small: &Small) -> Option<Small> {
    let row = small.row?;
    let columns = (0..row).flat_map(|column| small.values.iter().skip(column).step_by(row));
    Some(Small {
        row: Some(small.values.len() / row),
        values: columns.copied().collect(),
    })
}

/// Reverses all rows; PyTorch reverses the order of pads like this.
fn slice(small: Small, bounds: [Small; 4]) -> Option<Small> {
    let [start, end, axis, step] = bounds.map(|bound| bound.values);
    let reverse = start == [Extent::Int(-1)]
        && matches!(end[..], [Extent::Int(end)] if end < -(MAX_VALUES as i64))
        && axis == [Extent::Int(0)]
        && step == [Extent::Int(-1)];
    if !reverse {
        return None;
    }
    let values = small
        .values
        .rchunks(small.row.unwrap_or(1))
        .flatten()
        .copied()
        .collect();
    Some(Small {
        row: small.row,
        values,
    })
}
