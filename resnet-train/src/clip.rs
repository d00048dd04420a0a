//! Gradient clipping by the global norm.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};

/// Scales all gradients by `max / (norm + 1e-6)` if their global L2 norm exceeds `max`: PyTorch's
/// `clip_grad_norm_`. Burn's gradient clipping treats each tensor separately.
///
/// Returns the norm before clipping, of shape `[1]`, or `None` without gradients. Does not wait for
/// the device.
pub fn clip_global_norm<B: AutodiffBackend>(
    model: &impl Module<B>,
    gradients: &mut GradientsParams,
    max: f64,
) -> Option<Tensor<B::InnerBackend, 1>> {
    let mut squares = Squares::<B::InnerBackend> {
        gradients,
        sums: Vec::new(),
    };
    model.visit(&mut squares);
    let sums = squares.sums;
    if sums.is_empty() {
        return None;
    }
    let norm = Tensor::cat(sums, 0).sum().sqrt();
    let scale = ((norm.clone() + 1e-6).recip() * max).clamp_max(1.0);
    model.visit(&mut Scale { gradients, scale });
    Some(norm)
}

struct Squares<'a, B: Backend> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<B, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Squares<'_, B::InnerBackend> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            self.sums.push((gradient.clone() * gradient).sum());
        }
    }
}

struct Scale<'a, B: Backend> {
    gradients: &'a mut GradientsParams,
    scale: Tensor<B, 1>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Scale<'_, B::InnerBackend> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
            let scale = self.scale.clone().reshape([1; D]);
            self.gradients.register(param.id, gradient * scale);
        }
    }
}
