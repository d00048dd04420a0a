//! Infers the option `attention`.

use resnet_core::AttentionKind;

use crate::recognize::{Block, Gate, Network, Step};

pub(super) fn attention(network: &Network<'_>) -> AttentionKind {
    let gates: Vec<_> = network
        .blocks
        .iter()
        .filter_map(|block| Some((block.out_channels()?, gate(block)?)))
        .collect();
    let squeezed = |gate: &Gate<'_>| match gate {
        Gate::SqueezeExcite { fc1, .. } => Some(fc1.weight.shape[0]),
        Gate::EfficientChannel { .. } => None,
    };
    let Some((channels, last)) = gates.last() else {
        return AttentionKind::None;
    };
    let Some(of_last) = squeezed(last) else {
        return AttentionKind::EfficientChannel;
    };
    // The usual ratios, then the ratio of the widest block.
    let ratios = [
        1.0 / 16.0,
        0.25,
        0.125,
        0.5,
        1.0,
        of_last as f64 / *channels as f64,
    ];
    let kind = |ratio| AttentionKind::SqueezeExcite { ratio };
    let fits = |ratio: f64| {
        gates
            .iter()
            .all(|(channels, gate)| squeezed(gate) == Some(kind(ratio).width(*channels)))
    };
    let ratio = ratios
        .into_iter()
        .find(|ratio| fits(*ratio))
        .unwrap_or(ratios[5]);
    kind(ratio)
}

fn gate<'n, 'g>(block: &'n Block<'g>) -> Option<&'n Gate<'g>> {
    block.main.iter().find_map(|step| match step {
        Step::Gate(gate) => Some(gate),
        _ => None,
    })
}
