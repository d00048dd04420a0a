//! Steps of a graph against what the config expects of them.

use super::conv::{Conv, Geometry, Unit};
use super::pool::Pool;

pub(super) const PLAIN: Geometry = Geometry {
    kernel: 1,
    stride: 1,
    dilation: 1,
    groups: 1,
};

pub(super) fn floor_average(stride: usize) -> Pool {
    Pool::Average {
        stride,
        ceil: false,
        divides: false,
    }
}

/// Whether a pool of the graph does what is expected of it.
pub(super) fn does(found: Pool, expected: Pool) -> bool {
    match (found, expected) {
        (
            Pool::Average {
                stride: a,
                ceil: found,
                divides,
            },
            Pool::Average {
                stride: b,
                ceil: expected,
                ..
            },
        ) => a == b && (found == expected || divides),
        _ => found == expected,
    }
}

pub(super) fn expect_conv(
    conv: &Conv<'_>,
    channels: [usize; 2],
    geometry: Geometry,
) -> Result<(), String> {
    let found = [conv.in_channels(), conv.out_channels()];
    if found != channels {
        return Err(conv.node.expected("channels in and out", channels, found));
    }
    match conv.geometry == geometry {
        true => Ok(()),
        false => Err(conv
            .node
            .fault(&format!("expected {geometry}, found {}", conv.geometry))),
    }
}

pub(super) fn expect_act(unit: &Unit<'_>, expected: bool) -> Result<(), String> {
    match unit.act.is_some() == expected {
        true => Ok(()),
        false if expected => Err(unit.conv.node.fault("expected an activation behind it")),
        false => Err(unit.conv.node.fault("expected no activation behind it")),
    }
}
