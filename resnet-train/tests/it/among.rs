//! Data-parallel steps of two trainers, each on its own thread.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use burn::backend::Autodiff;

use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use resnet_core::{Network, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_testing::{keyed, pairs};
use resnet_train::{OptimizerConfig, Peers, Settings, Trainer, targets};

type Train = Autodiff<Cpu>;

fn state(model: &ResNet<Cpu>) -> Vec<(String, Vec<f32>)> {
    let mut values = Vec::new();
    let visited: Result<(), ()> = model.visit_state(|key, data| {
        values.push((key.to_string(), data.to_vec().unwrap()));
        Ok(())
    });
    visited.unwrap();
    values
}

/// Takes one step with eight images per rank, then averages the statistics. Returns the state
/// before and after averaging.
fn work(rank: usize, address: &str) -> [Vec<(String, Vec<f32>)>; 2] {
    let device = Default::default();
    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    let model: ResNet<Train> = keyed::fill(config.init(&device), 7);
    let settings = Settings {
        ema: Some(0.5),
        ..Settings::new(OptimizerConfig::sgd(5e-4))
    };
    let mut trainer = Trainer::new(model, settings);
    let patience = Duration::from_secs(60);
    let mut peers = Peers::meet(address, rank, 2, "test", patience).unwrap();
    peers.agree(&trainer.fingerprint("here")).unwrap();
    let x = keyed::images::<Train>(7 + rank as u64, [8, 3, 32, 32], &device);
    let y = Tensor::from_data(targets(&[&[rank][..]; 8], 10), &device);
    let step = trainer
        .step_among(&mut peers, 0.1, [(x, y)], rank == 1)
        .unwrap();
    assert!(step.stop, "one rank requests a stop");
    let before = state(&trainer.model().valid());
    trainer.share_statistics(&mut peers).unwrap();
    let average = state(trainer.average().unwrap());
    let after = state(&trainer.model().valid());
    // Both ranks return an error if their fingerprints differ.
    peers
        .agree(&trainer.fingerprint(&rank.to_string()))
        .unwrap_err();
    assert_eq!(average.len(), after.len());
    [before, [after, average].concat()]
}

#[test]
fn all_ranks_have_equal_weights_and_averaged_statistics() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let threads = [0, 1].map(|rank| {
        let address = address.clone();
        thread::spawn(move || work(rank, &address))
    });
    let [[before, after], [other_before, other_after]] =
        threads.map(|thread| thread.join().unwrap());
    assert!(after == other_after);
    let mut differ = 0;
    // The averaged weights follow the weights in `after`.
    let after = &after[..before.len()];
    for (((key, own), (_, other)), (_, mean)) in pairs(pairs(&before, &other_before), after) {
        match key.contains("running_") {
            true => {
                differ += usize::from(own != other);
                for ((own, other), mean) in pairs(pairs(own, other), mean) {
                    assert!(
                        ((own + other) / 2.0 - mean).abs() <= 1e-6 * mean.abs().max(1.0),
                        "{key}"
                    );
                }
            }
            false => assert!(own == other && own == mean, "{key}"),
        }
    }
    assert!(differ > 10, "{differ}");
}
