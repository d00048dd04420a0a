//! Embedded detectors and segmentation networks.

use burn::backend::Flex;
use resnet_core::Network;
use resnet_dense::DenseConfig;
use resnet_weights::{EmbeddedDense, ModelSource};

#[test]
#[cfg(feature = "embedded")]
fn embedded_networks_load_and_have_the_parameters_of_their_rows() {
    let device = Default::default();
    for row in EmbeddedDense::all() {
        let resolved = ModelSource::named(row.id).resolve_dense().unwrap();
        assert_eq!(
            (resolved.name.as_str(), resolved.notes.as_slice()),
            (row.id, [].as_slice())
        );
        let parameters = match &resolved.config {
            DenseConfig::Detection(config) => {
                let network = config.init::<Flex>(&device);
                resolved.load_into(network).unwrap().0.num_parameters()
            }
            DenseConfig::Segmentation(config) => {
                let network = config.init::<Flex>(&device);
                resolved.load_into(network).unwrap().0.num_parameters()
            }
        };
        assert_eq!(parameters as u64, row.parameters, "{}", row.id);
        assert_eq!(resolved.config.is_detector(), row.is_detector());
        let labels = [0, 1].map(|class| resolved.labels.get(class));
        assert_eq!(labels, ["background", "circle"]);
        assert_eq!(resolved.labels.len(), resolved.config.num_classes());
    }
}

#[test]
#[cfg(not(feature = "embedded"))]
fn embedded_networks_need_their_feature() {
    for row in EmbeddedDense::all() {
        let error = ModelSource::named(row.id).resolve_dense().unwrap_err();
        assert!(
            error.to_string().contains("the feature `embedded`"),
            "{error}"
        );
    }
}

#[test]
fn a_classifier_names_the_type_that_loads_a_detector() {
    let error = ModelSource::named("maskrcnn_scenes").resolve().unwrap_err();
    assert!(
        error.to_string().contains("load it with `Detector`"),
        "{error}"
    );
}

#[test]
fn an_embedded_network_has_no_file() {
    let source = ModelSource::named("maskrcnn_scenes").with_file("mine.safetensors");
    let error = source.resolve_dense().unwrap_err();
    assert!(error.to_string().contains("it has no file"), "{error}");
}
