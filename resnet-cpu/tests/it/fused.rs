//! Tests of fused layers: registration, and outputs and gradients against Burn's operations.

use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Tensor, activation, module};
use resnet_cpu::Cpu;
use resnet_fused::{Bags, EmbeddingBag, FusedLayers, Layer, LayerConv, LayerNorm};

use crate::tensor;

#[test]
fn the_first_tensor_registers_the_fused_layers() {
    let _ = Tensor::<Cpu, 1>::zeros([1], &Default::default());
    assert!(FusedLayers::<Cpu>::registered().is_some());
    assert!(FusedLayers::<Autodiff<Cpu>>::registered().is_some());
}

/// The parts that a layer has.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// Whether the optional convolution has a bias.
    conv: Option<bool>,
    norm: Norm,
    residual: bool,
    relu: bool,
}

#[derive(Clone, Copy, Debug)]
enum Norm {
    None,
    Batch,
    Running,
}

fn forms() -> impl Iterator<Item = Form> {
    let convs = [None, Some(false), Some(true)];
    let norms = [Norm::None, Norm::Batch, Norm::Running];
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    convs.into_iter().flat_map(move |conv| {
        norms.into_iter().flat_map(move |norm| {
            flags.map(|(residual, relu)| Form {
                conv,
                norm,
                residual,
                relu,
            })
        })
    })
}

fn constant<B: Backend, const D: usize>(shape: [usize; D], seed: u64) -> Tensor<B, D> {
    Tensor::from_data(tensor(shape, seed).into_data(), &Default::default())
}

fn layer<B: Backend>(form: Form) -> Layer<B> {
    let out = if form.conv.is_some() { 16 } else { 8 };
    let conv = form.conv.map(|bias| LayerConv {
        weight: constant([16, 8, 3, 3], 2).require_grad(),
        bias: bias.then(|| constant([16], 3).require_grad()),
        options: ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
    });
    let norm = match form.norm {
        Norm::None => None,
        Norm::Batch => Some(LayerNorm::Batch {
            scale: constant([out], 4).require_grad(),
            shift: constant([out], 5).require_grad(),
            epsilon: 1e-5,
        }),
        Norm::Running => Some(LayerNorm::Running {
            scale: constant([out], 4),
            shift: constant([out], 5),
        }),
    };
    let residual = form.residual.then(|| constant([2, out, 6, 5], 6));
    Layer {
        x: constant([2, 8, 6, 5], 1).require_grad(),
        conv,
        norm,
        residual: residual.map(Tensor::require_grad),
        relu: form.relu,
    }
}

/// Computes the output, and the mean and biased variance of the batch, with Burn's operations.
fn by_operations<B: Backend>(layer: Layer<B>) -> (Tensor<B, 4>, Option<[Tensor<B, 4>; 2]>) {
    let channels = |values: Tensor<B, 1>| values.reshape([1, -1, 1, 1]);
    let x = match layer.conv {
        Some(conv) => module::conv2d(layer.x, conv.weight, conv.bias, conv.options),
        None => layer.x,
    };
    let (y, statistics) = match layer.norm {
        Some(LayerNorm::Batch {
            scale,
            shift,
            epsilon,
        }) => {
            let mean = x.clone().mean_dims(&[0, 2, 3]);
            let distance = x - mean.clone();
            let variance = (distance.clone() * distance.clone()).mean_dims(&[0, 2, 3]);
            let normal = distance / (variance.clone() + epsilon).sqrt();
            let y = normal * channels(scale) + channels(shift);
            (y, Some([mean, variance]))
        }
        Some(LayerNorm::Running { scale, shift }) => (x * channels(scale) + channels(shift), None),
        None => (x, None),
    };
    let y = layer.residual.into_iter().fold(y, Tensor::add);
    let y = if layer.relu { activation::relu(y) } else { y };
    (y, statistics)
}

fn gradient<B: AutodiffBackend, const D: usize>(
    tensor: Option<&Tensor<B, D>>,
    gradients: &B::Gradients,
) -> Option<Vec<f32>> {
    let gradient = tensor?.grad(gradients)?;
    Some(gradient.into_data().to_vec().unwrap())
}

/// Returns the gradients of `x`, weight, bias, scale, shift and residual.
fn gradients<B: AutodiffBackend>(layer: &Layer<B>, output: &Tensor<B, 4>) -> [Option<Vec<f32>>; 6] {
    let loss = output.clone() * constant(output.dims(), 7);
    let found = loss.sum().backward();
    let conv = layer.conv.as_ref();
    let (scale, shift) = match &layer.norm {
        Some(LayerNorm::Batch { scale, shift, .. } | LayerNorm::Running { scale, shift }) => {
            (Some(scale), Some(shift))
        }
        None => (None, None),
    };
    [
        gradient(Some(&layer.x), &found),
        gradient(conv.map(|conv| &conv.weight), &found),
        gradient(conv.and_then(|conv| conv.bias.as_ref()), &found),
        gradient(scale, &found),
        gradient(shift, &found),
        gradient(layer.residual.as_ref(), &found),
    ]
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(1.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        assert!(
            error <= 2e-5 * largest,
            "{what}: expected {expected}, found {found}"
        );
    }
}

fn list<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

#[test]
fn training_matches_burns_operations() {
    let _lock = crate::autograd_lock();
    for form in forms() {
        let (ours, burns) = (layer::<Autodiff<Cpu>>(form), layer::<Autodiff<Flex>>(form));
        let fused = FusedLayers::<Autodiff<Cpu>>::registered().unwrap();
        let found = (fused.forward)(ours.clone());
        let (expected, statistics) = by_operations(burns.clone());
        let what = format!("{form:?}");
        assert_near(&list(found.output.clone()), &list(expected.clone()), &what);
        let [found_gradients, expected_gradients] = [
            gradients(&ours, &found.output),
            gradients(&burns, &expected),
        ];
        let parts = ["x", "weight", "bias", "scale", "shift", "residual"];
        for ((part, found), expected) in parts
            .into_iter()
            .zip(found_gradients)
            .zip(expected_gradients)
        {
            assert_eq!(found.is_some(), expected.is_some(), "{part} of {what}");
            let [found, expected] = [found, expected].map(Option::unwrap_or_default);
            assert_near(&found, &expected, &format!("{part} of {what}"));
        }
        assert_eq!(found.statistics.is_some(), statistics.is_some(), "{what}");
        if let (Some([mean, variance]), Some(expected)) = (found.statistics, statistics) {
            let [expected_mean, biased] = expected;
            assert_near(&list(mean), &list(expected_mean), &what);
            assert_near(&list(variance), &list(biased * (60.0 / 59.0)), &what);
        }
    }
}

#[test]
fn inference_matches_burns_operations() {
    for form in forms().filter(|form| !matches!(form.norm, Norm::Batch)) {
        let layer_of_cpu = layer::<Cpu>(form);
        let fused = FusedLayers::<Cpu>::registered().unwrap();
        let found = (fused.forward)(layer_of_cpu);
        let (expected, _) = by_operations(layer::<Flex>(form));
        assert_near(&list(found.output), &list(expected), &format!("{form:?}"));
    }
}

/// Returns 40,000 bags of up to three of `rows` rows, so that several threads work.
fn bags(rows: u32) -> Bags {
    let mut bags = Bags::default();
    for bag in 0..40_000_u32 {
        for entry in 0..bag % 4 {
            bags.indices.push((bag * 7 + entry * 5) % rows);
            bags.weights.push((bag % 11) as f32 / 11.0 - entry as f32);
        }
        bags.ends.push(bags.indices.len());
    }
    bags
}

/// Computes the sums with Burn's operations, one row per entry.
fn sums_by_operations<B: Backend>(rows: Tensor<B, 2>, bags: &Bags) -> Tensor<B, 2> {
    let [_, features] = rows.dims();
    let device = rows.device();
    let indices: Vec<i32> = bags.indices.iter().map(|row| *row as i32).collect();
    let weights = Tensor::<B, 1>::from_floats(bags.weights.as_slice(), &device);
    let entries = rows.select(
        0,
        Tensor::<B, 1, Int>::from_ints(indices.as_slice(), &device),
    );
    let owners = (0..bags.len()).flat_map(|bag| vec![bag as i32; bags.entries(bag).len()]);
    let owners: Vec<i32> = owners.collect();
    let owners = Tensor::<B, 1, Int>::from_ints(owners.as_slice(), &device);
    let sums = Tensor::zeros([bags.len(), features], &device);
    let entries = entries * weights.unsqueeze_dim(1);
    sums.select_assign(0, owners, entries, burn::tensor::IndexingUpdateOp::Add)
}

#[test]
fn embedding_bags_match_burns_operations() {
    let _lock = crate::autograd_lock();
    let bags = bags(9);
    // Fewer features than a block, one block, and one and a half.
    for features in [3, 64, 100] {
        let ours = constant::<Autodiff<Cpu>, 2>([9, features], 1).require_grad();
        let burns = constant::<Autodiff<Flex>, 2>([9, features], 1).require_grad();
        let fused = EmbeddingBag::<Autodiff<Cpu>>::registered().unwrap();
        let found = (fused.forward)(ours.clone(), bags.clone());
        let expected = sums_by_operations(burns.clone(), &bags);
        let what = format!("{features} features");
        assert_near(&list(found.clone()), &list(expected.clone()), &what);
        let inference = EmbeddingBag::<Cpu>::registered().unwrap();
        let same = (inference.forward)(ours.clone().inner(), bags.clone());
        assert_eq!(list(same), list(found.clone()));
        let loss = (found.clone() * constant(found.dims(), 2)).sum();
        let expected_loss = (expected.clone() * constant(expected.dims(), 2)).sum();
        let found = gradient(Some(&ours), &loss.backward()).unwrap();
        let expected = gradient(Some(&burns), &expected_loss.backward()).unwrap();
        assert_near(&found, &expected, &format!("gradient of {what}"));
    }
}

#[test]
fn embedding_bags_read_any_layout() {
    let rows = constant::<Cpu, 2>([70, 6], 1);
    let bag = Bags {
        ends: vec![0, 2],
        indices: vec![1, 3],
        weights: vec![1.0, 2.0],
    };
    let fused = EmbeddingBag::<Cpu>::registered().unwrap();
    let found = list((fused.forward)(rows.clone().transpose(), bag.clone()));
    let rows: Vec<f32> = list(rows);
    assert_eq!(found[..70], [0.0; 70]);
    for (feature, found) in found[70..].iter().enumerate() {
        let expected = rows[feature * 6 + 1] + 2.0 * rows[feature * 6 + 3];
        assert!((found - expected).abs() < 1e-6);
    }
}
