//! Fused layers are there without a call.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use resnet_cpu::Cpu;
use resnet_fused::FusedLayers;

#[test]
fn the_first_tensor_registers_the_fused_layers() {
    let _ = Tensor::<Cpu, 1>::zeros([1], &Default::default());
    assert!(FusedLayers::<Cpu>::registered().is_some());
    assert!(FusedLayers::<Autodiff<Cpu>>::registered().is_some());
}
