//! Shapes and pads that a graph computes: exporters write `x.view(x.shape[0], -1)` as nodes.

use std::cell::Cell;

use super::graph::Graph;
use super::node::Attribute;

/// An extent, as far as it is known before any input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extent {
    Int(i64),
    /// The number of images.
    Batch,
    Unknown,
}

/// A few integers in an array of one or two axes.
#[derive(Clone, Debug)]
struct Small {
    /// Length of the rows of an array of two axes.
    row: Option<usize>,
    values: Vec<Extent>,
}

/// No shape of an exported network is computed in more steps.
const MAX_STEPS: usize = 256;
const MAX_VALUES: usize = 32;

impl Graph {
    /// The integers that a value holds, if they follow from constants and the batch alone.
    pub(super) fn extents(&self, value: &str) -> Option<Vec<Extent>> {
        self.small(value, &Cell::new(MAX_STEPS))
            .map(|small| small.values)
    }

    /// The integers that a value holds, if they follow from constants alone.
    pub(super) fn ints(&self, value: &str) -> Option<Vec<i64>> {
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
            let row = match constant.shape[..] {
                [] | [_] => None,
                [_, row] if row > 0 => Some(row),
                _ => return None,
            };
            let values = constant.ints()?.into_iter().map(Extent::Int).collect();
            return Some(Small { row, values });
        }
        let node = self.producer(value)?;
        let input = |index: usize| self.small(node.inputs.get(index)?, steps);
        let flat = |values| Some(Small { row: None, values });
        match node.op.as_str() {
            // Every value here is a batch of something.
            "Shape" => {
                let shape = [
                    Extent::Batch,
                    Extent::Unknown,
                    Extent::Unknown,
                    Extent::Unknown,
                ];
                let end = node.int("end", 4).ok()?;
                let range = usize::try_from(node.int("start", 0).ok()?).ok()?
                    ..usize::try_from(end).ok()?.min(4);
                flat(shape.get(range)?.to_vec())
            }
            "Cast" | "Squeeze" | "Unsqueeze" => input(0).filter(|small| small.row.is_none()),
            "Gather" => {
                let (from, indices) = (input(0).filter(|small| small.row.is_none())?, input(1)?);
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
                flat(values.collect::<Option<_>>()?)
            }
            "Concat" => {
                let parts = (0..node.inputs.len())
                    .map(input)
                    .collect::<Option<Vec<_>>>()?;
                let one_axis = parts.iter().all(|part| part.row.is_none());
                let values: Vec<_> = parts.into_iter().flat_map(|part| part.values).collect();
                flat(values).filter(|small| one_axis && small.values.len() <= MAX_VALUES)
            }
            "ConstantOfShape" => {
                let Some(Attribute::Tensor(value)) = node.attributes.get("value") else {
                    return None;
                };
                let (&[value], [Extent::Int(length)]) = (&value.ints()?[..], &input(0)?.values[..])
                else {
                    return None;
                };
                let length = usize::try_from(*length)
                    .ok()
                    .filter(|length| *length <= MAX_VALUES)?;
                flat(vec![Extent::Int(value); length])
            }
            "Reshape" => {
                let values = input(0)?.values;
                match input(1)?.values[..] {
                    [Extent::Int(-1)] => flat(values),
                    [Extent::Int(-1), Extent::Int(row)] => {
                        let row = usize::try_from(row)
                            .ok()
                            .filter(|row| *row > 0 && values.len() % row == 0)?;
                        Some(Small {
                            row: Some(row),
                            values,
                        })
                    }
                    _ => None,
                }
            }
            "Transpose" => {
                let small = input(0)?;
                let row = small.row?;
                let columns =
                    (0..row).flat_map(|column| small.values.iter().skip(column).step_by(row));
                Some(Small {
                    row: Some(small.values.len() / row),
                    values: columns.copied().collect(),
                })
            }
            "Slice" => slice(input(0)?, [input(1)?, input(2)?, input(3)?, input(4)?]),
            _ => None,
        }
    }
}

/// All rows in reverse, as PyTorch turns its pads around.
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
