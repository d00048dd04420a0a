//! Compares parts of a graph with the config.

use resnet_core::layers::ConvPlan;

use crate::recognize::{Conv, Pool, Unit, describe};

pub(super) fn floor_average(stride: usize) -> Pool {
    Pool::Average {
        stride,
        ceil: false,
        divides: false,
    }
}

/// Returns whether a pool of the graph is equivalent to the expected one.
pub(super) fn is_equivalent(found: Pool, expected: Pool) -> bool {
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

pub(super) fn expect_conv(conv: &Conv<'_>, expected: ConvPlan) -> Result<(), String> {
    let found = conv.plan;
    if found.channels != expected.channels {
        return Err(conv
            .node
            .expected("channels in and out", expected.channels, found.channels));
    }
    match found == expected {
        true => Ok(()),
        false => Err(conv.node.fault(&format!(
            "expected {}, found {}",
            describe(expected),
            describe(found)
        ))),
    }
}

pub(super) fn expect_act(unit: &Unit<'_>, expected: bool) -> Result<(), String> {
    match unit.act.is_some() == expected {
        true => Ok(()),
        false if expected => Err(unit.conv.node.fault("expected an activation after it")),
        false => Err(unit.conv.node.fault("expected no activation after it")),
    }
}
