//! Recognizes pools and similar operations: blurs, and strided slices with zero padding.

use resnet_core::GlobalPool;

use super::layout::{Layout, axes_of};
use crate::graph::{Graph, Node};

/// An operation without weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pool {
    /// A 3x3 max pool with padding 1.
    Max { stride: usize },
    /// A 3x3 binomial blur.
    Blur { stride: usize },
    /// An average pool whose kernel is as wide as its stride. `ceil` includes an incomplete last
    /// row. `divides` means that the stride divides the size of the map, so there is no incomplete
    /// row.
    Average {
        stride: usize,
        ceil: bool,
        divides: bool,
    },
    /// A 2x2 average pool with stride 1, after a row and a column of zeros are added to the map.
    AverageSame,
    /// Selects every `stride`-th pixel, and adds `before` and `after` channels of zeros.
    ZeroPad {
        stride: usize,
        before: usize,
        after: usize,
    },
}

impl Pool {
    pub(crate) fn stride(self) -> usize {
        match self {
            Self::Max { stride }
            | Self::Blur { stride }
            | Self::Average { stride, .. }
            | Self::ZeroPad { stride, .. } => stride,
            Self::AverageSame => 1,
        }
    }
}

/// Recognizes a max pool.
pub(super) fn max_pool(node: &Node) -> Result<Pool, String> {
    node.is("ceil_mode", 0, 0)?;
    let [kernel, pads] = [max_kernel(node)?, node.same("pads", 4, 0)?];
    if [kernel, pads] != [3, 1] {
        return Err(node.expected("kernel and padding", [3, 1], [kernel, pads]));
    }
    let stride = node.same("strides", 2, 1)?;
    Ok(Pool::Max { stride })
}

/// Recognizes an average pool. `size` is the size of its input map.
pub(super) fn average_pool(node: &Node, size: Option<[usize; 2]>) -> Result<Pool, String> {
    let [kernel, stride] = [average_kernel(node)?, node.same("strides", 2, 1)?];
    if kernel != stride || kernel < 2 || node.same("pads", 4, 0)? != 0 {
        return Err(node.expected(
            "an average pool as wide as its stride, unpadded,",
            2,
            [kernel, stride],
        ));
    }
    let divides = size.is_some_and(|size| size.iter().all(|side| side % stride == 0));
    Ok(Pool::Average {
        stride,
        ceil: node.int("ceil_mode", 0)? != 0,
        divides,
    })
}

impl Graph {
    /// Recognizes a global pool, and returns the layout of its output.
    pub(super) fn global_pool(
        &self,
        node: &Node,
        size: Option<[usize; 2]>,
    ) -> Result<Option<(GlobalPool, Layout)>, String> {
        match node.op.as_str() {
            "GlobalAveragePool" => Ok(Some((GlobalPool::Avg, Layout::map()))),
            "GlobalMaxPool" => Ok(Some((GlobalPool::Max, Layout::map()))),
            "ReduceMean" | "ReduceMax" => {
                node.only(&["axes", "keepdims", "noop_with_empty_axes"])?;
                let mut axes: Vec<i64> = axes_of(self, node)?
                    .iter()
                    .map(|&axis| if axis < 0 { axis + 4 } else { axis })
                    .collect();
                axes.sort_unstable();
                if axes != [2, 3] {
                    return Err(node.expected("the axes of height and width,", [2, 3], axes));
                }
                let layout = if node.int("keepdims", 1)? == 1 {
                    Layout::map()
                } else {
                    Layout::rows()
                };
                let kind = if node.op == "ReduceMean" {
                    GlobalPool::Avg
                } else {
                    GlobalPool::Max
                };
                Ok(Some((kind, layout)))
            }
            // A pool over the whole map, if the file fixes the map's size.
            "AveragePool" | "MaxPool" => {
                let (kind, kernel) = match node.op.as_str() {
                    "MaxPool" => (GlobalPool::Max, max_kernel(node)?),
                    _ => (GlobalPool::Avg, average_kernel(node)?),
                };
                let Some(size) = size else {
                    return Err(node.fault("expected a pool over the whole map, of any size"));
                };
                if size != [kernel; 2] || node.same("pads", 4, 0)? != 0 {
                    return Err(node.expected("a pool over the whole map,", size, [kernel; 2]));
                }
                Ok(Some((kind, Layout::map())))
            }
            _ => Ok(None),
        }
    }
}

/// The attributes of both kinds of pools.
const ATTRIBUTES: [&str; 7] = [
    "auto_pad",
    "ceil_mode",
    "dilations",
    "kernel_shape",
    "pads",
    "storage_order",
    "strides",
];

fn max_kernel(node: &Node) -> Result<usize, String> {
    node.only(&ATTRIBUTES)?;
    kernel(node)
}

pub(super) fn average_kernel(node: &Node) -> Result<usize, String> {
    node.only(&[&ATTRIBUTES[..], &["count_include_pad"]].concat())?;
    kernel(node)
}

fn kernel(node: &Node) -> Result<usize, String> {
    node.explicit_padding()?;
    match node.same("dilations", 2, 1)? {
        1 => node.same("kernel_shape", 2, 0),
        found => Err(node.expected("`dilations`", 1, found)),
    }
}
