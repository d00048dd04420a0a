//! Checks of the state dict: `visit_state` yields the loaded values, and an error stops the
//! loading.

use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};

use super::{Headed, Subject};
use crate::keyed;

/// Checks the state dict of a `ResNet` and of a custom `Network`.
///
/// # Panics
///
/// Panics if a value or a key changes, or if an error does not stop the loading.
pub fn state<B: Backend>(device: &B::Device) {
    let config = ResNetConfig::named("test_resnet").unwrap();
    let state = check_round_trip::<B, ResNet<B>>(&config, device);
    let of_user = check_round_trip::<B, Headed<B>>(&config, device);
    assert_eq!(of_user, state);
    check_first_error::<B, ResNet<B>>(&config, device);
    check_first_error::<B, Headed<B>>(&config, device);
}

/// Checks that `visit_state` yields the values that `load_state` loaded. Returns the PyTorch keys
/// and shapes of the network.
fn check_round_trip<B: Backend, N: Subject<B>>(
    config: &ResNetConfig,
    device: &B::Device,
) -> Vec<(String, Vec<usize>)> {
    let model = N::keyed(config, 3, device);
    let mut seen = Vec::new();
    let result: Result<(), ()> = model.visit_state(|key, data| {
        let expected = keyed::parameter(3, N::torch_key(key), &data.shape);
        assert_eq!(data, expected, "{key}");
        seen.push((key.to_string(), data.shape.to_vec()));
        Ok(())
    });
    assert_eq!(result, Ok(()));
    assert_eq!(seen, model.state_shapes());
    let in_torch = seen
        .into_iter()
        .map(|(key, shape)| (N::torch_key(&key).to_string(), shape));
    in_torch.collect()
}

fn check_first_error<B: Backend, N: Subject<B>>(config: &ResNetConfig, device: &B::Device) {
    let model = N::build(config, device);
    let second = model.state_shapes()[1].0.clone();
    let mut asked = 0;
    let result = model.load_state(|key, _| {
        asked += 1;
        if key == second {
            Err("no such value")
        } else {
            Ok(None)
        }
    });
    assert_eq!((result.err(), asked), (Some("no such value"), 2));
}
