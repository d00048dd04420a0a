//! Tests on few values, also for Miri. `resnet-cpu` compares the kernels with Burn's.

mod int8;

use resnet_kernels::conv::{
    Algorithm, Conv, ConvOptions, Epilogue, Geometry, PackedWeights, Residual,
};
use resnet_kernels::layout::{Border, Map};
use resnet_kernels::norm::GroupNorm;
use resnet_kernels::{linear, pool};

fn values(count: usize, seed: usize) -> Vec<f32> {
    let value = |index: usize| ((index * 7 + seed * 5) % 23) as f32 / 11.0 - 1.0;
    (0..count).map(value).collect()
}

/// Copies a map into one that is surrounded by a border of 9, or of 0.
fn framed(map: &[f32], [n, c, h, w]: [usize; 4], border: Border, around: f32) -> Vec<f32> {
    let [[above, below], [left, right]] = border;
    let (height, width) = (h + above + below, w + left + right);
    let mut framed = vec![around; n * height * width * c];
    for (row, values) in map.chunks(w * c).enumerate() {
        let (image, y) = (row / h, row % h);
        let first = ((image * height + above + y) * width + left) * c;
        framed[first..first + w * c].copy_from_slice(values);
    }
    framed
}

#[test]
fn borders_replace_the_padding() {
    let cases = [
        // Channels, kernel, stride, groups.
        ([16, 32], 3, 1, 1, Algorithm::Direct),
        ([16, 32], 3, 1, 1, Algorithm::Winograd2),
        ([16, 32], 3, 1, 1, Algorithm::Winograd4),
        ([32, 32], 3, 2, 8, Algorithm::Direct),
        ([32, 32], 3, 1, 8, Algorithm::Direct),
        ([6, 9], 3, 1, 3, Algorithm::Direct),
        ([5, 7], 1, 1, 1, Algorithm::Direct),
    ];
    for ([inputs, outputs], kernel, stride, groups, algorithm) in cases {
        let options = ConvOptions {
            stride: [stride; 2],
            padding: [kernel / 2; 2],
            dilation: [1, 1],
            groups,
        };
        let x = [2, inputs, 5, 6];
        let weight = [outputs, inputs / groups, kernel, kernel];
        let geometry = Geometry::of_conv(x, weight, options).unwrap();
        let conv = Conv::with_algorithm(geometry, algorithm);
        let weights = conv.pack(&values(weight.iter().product(), 1)).unwrap();
        let epilogue = Epilogue::new(None, Some(&values(outputs, 2)), true, outputs);
        let map = values(x.iter().product(), 3);
        let size = conv.geometry().output();
        let residual = values(size.iter().product(), 4);
        let padded = conv.padded(Map::ChannelsLast(&map));
        let expected = conv.run(&padded, &weights, &epilogue, Some(&residual));

        let mut inner = conv.padding();
        inner[0][0] += 1;
        inner[1][1] += 2;
        let outer = [[1, 0], [2, 3]];
        let bordered = conv.with_borders(inner, outer).unwrap();
        let input = framed(&map, x, inner, 0.0);
        let mut copy = vec![9.0; input.len()];
        bordered.pad_into(Map::ChannelsLast(&map), &mut copy);
        assert_eq!(copy, input);
        let mut out = framed(&residual, size, outer, 9.0);
        bordered.clear_border(&mut out);
        bordered.run_into(&input, &weights, &epilogue, Residual::Output, &mut out);
        let expected = framed(&expected, size, outer, 0.0);
        assert_eq!(out, expected, "{algorithm:?} {groups}");
        let less = [[0; 2]; 2];
        assert_eq!(conv.with_borders(less, outer).is_none(), kernel > 1);
    }
}

#[test]
#[should_panic(expected = "border")]
fn a_new_output_has_no_border() {
    let (conv, weights) = conv([1, 3, 4, 4], [8, 3, 1, 1], 1);
    let conv = conv.with_borders([[0; 2]; 2], [[1; 2]; 2]).unwrap();
    let nothing = Epilogue::new(None, None, false, 8);
    conv.run(&values(48, 1), &weights, &nothing, None);
}

fn conv(x: [usize; 4], weight: [usize; 4], groups: usize) -> (Conv, PackedWeights) {
    let options = ConvOptions {
        groups,
        ..ConvOptions::default()
    };
    let conv = Conv::direct(Geometry::of_conv(x, weight, options).unwrap());
    let weights = conv.pack(&values(weight.iter().product(), 1)).unwrap();
    (conv, weights)
}

#[test]
fn weights_of_another_convolution_are_refused() {
    for (other, groups) in [([8, 4, 1, 3], 1), ([8, 4, 3, 1], 1), ([8, 2, 3, 1], 2)] {
        let x = [1, other[1] * groups, 3, 3];
        let (_, weights) = conv(x, other, groups);
        let (conv, own) = conv([1, 8, 3, 3], [8, 4, 3, 1], 2);
        let nothing = Epilogue::new(None, None, false, 8);
        let run = |weights: &PackedWeights| {
            let run = || conv.run(&values(72, 1), weights, &nothing, None);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        };
        assert!(run(&weights).is_err(), "{other:?}");
        assert!(run(&own).is_ok());
    }
}

#[test]
fn group_norms_and_products() {
    let norm = GroupNorm {
        groups: 2,
        epsilon: 0.0,
        weight: vec![1.0, 1.0, 2.0, 2.0],
        bias: vec![0.0, 0.0, 0.0, 3.0],
    };
    // One pixel: the channels of a group are -1 and 1 after the norm.
    let mut out = [9.0; 8];
    let x = [1.0, 3.0, 5.0, 1.0, 2.0, 0.0, 0.0, 2.0];
    norm.run(&x, [2, 4, 1, 1], None, false, &mut out);
    assert_eq!(out, [-1.0, 1.0, 2.0, 1.0, 1.0, -1.0, -2.0, 5.0]);
    norm.run(&x, [2, 4, 1, 1], Some(&[1.0; 8]), true, &mut out);
    assert_eq!(out, [0.0, 2.0, 3.0, 2.0, 2.0, 0.0, 0.0, 6.0]);

    let mut sums = [0.0; 4];
    linear(
        &[1.0, 2.0, 3.0, 4.0],
        &[1.0, 0.0, 2.0, 1.0],
        &[0.5, 0.0],
        &mut sums,
    );
    assert_eq!(sums, [1.5, 4.0, 3.5, 10.0]);
    let (mut mean, mut most) = ([0.0; 4], [0.0; 4]);
    let maps = [1.0, -1.0, 3.0, -3.0, 0.0, 0.0, 2.0, 8.0];
    pool::global(&maps, [2, 2, 1, 2], Some(&mut mean), Some(&mut most));
    assert_eq!((mean, most), ([2.0, -2.0, 1.0, 4.0], [3.0, -1.0, 2.0, 8.0]));
}
