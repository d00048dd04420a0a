//! Linear probes.

use burn::backend::Autodiff;

use resnet_core::{Network, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_testing::pairs;
use resnet_train::{Embeddings, linear_probe};

/// Three classes in three directions, far from the origin, each feature with another scale.
#[test]
fn the_classifier_includes_the_standardization_of_the_features() {
    let device = Default::default();
    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    let model: ResNet<Cpu> = config.init(&device);
    let features = model.config().num_features();
    let row = |image: usize| -> Vec<f32> {
        let value = |feature: usize| {
            let scale = 0.01 * (1 + feature) as f32;
            let own = f32::from(u8::from(feature % 3 == image % 3));
            let noise = ((image * 7 + feature * 13) % 11) as f32 / 11.0;
            (100.0 + own + 0.1 * noise) * scale
        };
        (0..features).map(value).collect()
    };
    let embeddings = Embeddings {
        rows: (0..60).flat_map(row).collect(),
        features,
        labels: (0..60).map(|image| vec![image % 3]).collect(),
    };
    let model = linear_probe::<Autodiff<Cpu>>(model, &embeddings, 3, 1e-4, &device).unwrap();
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    let visited: Result<(), ()> = model.visit_state(|key, data| {
        match key {
            "fc.weight" => weight = data.to_vec::<f32>().unwrap(),
            "fc.bias" => bias = data.to_vec::<f32>().unwrap(),
            _ => {}
        }
        Ok(())
    });
    visited.unwrap();
    for image in 0..60 {
        let row = row(image);
        let logit = |class: usize| -> f64 {
            let weights = &weight[class * features..(class + 1) * features];
            let products = pairs(&row, weights).into_iter();
            let products = products.map(|(x, w)| f64::from(*x) * f64::from(*w));
            products.sum::<f64>() + f64::from(bias[class])
        };
        let own = logit(image % 3);
        for class in (0..3).filter(|class| *class != image % 3) {
            assert!(
                own > logit(class) + 1.0,
                "image {image}: {own} and {}",
                logit(class)
            );
        }
    }
    let none = Embeddings::default();
    assert!(linear_probe::<Autodiff<Cpu>>(model, &none, 3, 0.0, &device).is_err());
}
