//! Checks every row of the catalog, and the names of weights.

use std::collections::BTreeSet;

use resnet_core::Arch;
use resnet_weights::{License, Source, UnknownWeights, Weights, ids};

#[test]
fn every_row_matches_its_network() {
    for weights in Weights::all() {
        let id = &weights.id;
        let crop = weights.preprocessing.crop.unwrap();
        let config = weights.arch.config().with_num_classes(weights.classes);
        let cost = config.cost([crop as usize; 2]);
        assert_eq!(cost.parameters, weights.parameters, "{id}");
        let gmacs = cost.macs as f64 / 1e9;
        assert!(
            (gmacs - weights.gmacs).abs() < 0.0006,
            "{id}: expected {}, found {gmacs}",
            weights.gmacs
        );
        assert!(config.check_input([crop as usize; 2]).is_ok(), "{id}");
        assert!(id.starts_with(&format!("{}.", weights.arch)), "{id}");
        assert_eq!(weights.labels().len(), weights.classes);
        // A value has four bytes, or two in float16. The size is in MiB (2^20 bytes).
        if let Some(mib) = weights.mib {
            let bytes = mib * f64::from(1 << 20) / weights.parameters as f64;
            let expected = if weights.notes.contains("float16") {
                2.0
            } else {
                4.0
            };
            assert!((bytes - expected).abs() < 0.03, "{id}: {bytes} bytes");
            assert!(mib * f64::from(1 << 20) < weights.max_bytes() as f64);
        }
    }
}

#[test]
fn every_preprocessing_is_consistent() {
    for weights in Weights::all() {
        let id = &weights.id;
        for preprocessing in [&weights.preprocessing, &weights.train_preprocessing] {
            preprocessing.validate().unwrap();
            assert!(
                preprocessing.resize >= preprocessing.crop,
                "{id}: {preprocessing:?}"
            );
            let imagenet = [0.485, 0.456, 0.406] == preprocessing.mean
                && [0.229, 0.224, 0.225] == preprocessing.std;
            let halves = [0.5; 3] == preprocessing.mean && [0.5; 3] == preprocessing.std;
            assert!(imagenet || halves, "{id}: {preprocessing:?}");
        }
        assert!(
            weights.preprocessing.crop >= weights.train_preprocessing.crop,
            "{id}"
        );
        // Weights that are evaluated at a larger size are better at that size.
        if let (Some(test), Some(train)) = (weights.accuracy, weights.train_accuracy) {
            assert!(test.top1 >= train.top1, "{id}");
            assert!(
                (40.0..95.0).contains(&test.top1) && test.top1 < test.top5,
                "{id}"
            );
        }
        let is_in1k = id.contains("in1k");
        let measured = weights.accuracy.is_some();
        // timm published no results for Facebook's largest network.
        assert_eq!(
            measured,
            weights.is_embedded() || is_in1k && weights.arch != Arch::ResNeXt101_32x48d,
            "{id}"
        );
    }
}

#[test]
fn ids_names_and_files_are_unique() {
    let mut seen = BTreeSet::new();
    for weights in Weights::all() {
        assert!(seen.insert(weights.id.clone()), "{}", weights.id);
        if let Some(name) = &weights.torchvision {
            assert!(seen.insert(name.clone()), "{name}");
        }
        assert_eq!(weights.sources.is_empty(), weights.is_embedded());
        for source in &weights.sources {
            let file = source.file_name(&weights.id);
            assert!(seen.insert(file.clone()), "{file}");
            match source {
                Source::Url { url, sha256 } => {
                    assert!(
                        url.starts_with("https://") && url.ends_with(&format!("-{sha256}.pth"))
                    );
                    assert!(sha256.len() == 8 && sha256.chars().all(|c| c.is_ascii_hexdigit()));
                }
                Source::Hub { repo, file } => {
                    assert_eq!(repo, &format!("timm/{}", weights.id));
                    assert_eq!(file, "model.safetensors");
                }
            }
        }
    }
    assert_eq!(
        Weights::all()
            .iter()
            .filter(|weights| weights.torchvision.is_some())
            .count(),
        17
    );
    let published = Weights::all()
        .iter()
        .filter(|weights| !weights.is_embedded());
    assert_eq!(published.count(), 148, "as the README says");
}

#[test]
fn every_constant_names_a_row() {
    // Removes the line breaks of rustfmt.
    let constants = include_str!("../../src/catalog/ids.rs").replace("=\n    ", "= ");
    let written: Vec<_> = constants
        .lines()
        .filter_map(|line| line.strip_prefix("pub const "))
        .collect();
    let rows = Weights::all().iter();
    let expected = rows.map(|weights| {
        let name = weights.id.replace('.', "_").to_uppercase();
        format!("{name}: Id = Id(\"{}\");", weights.id)
    });
    assert_eq!(written, expected.collect::<Vec<_>>());
    assert_eq!(ids::RESNET50_TV2_IN1K.to_string(), "resnet50.tv2_in1k");
}

#[test]
fn the_name_of_a_network_selects_its_default_and_no_restricted_weights() {
    let defaults = Weights::all().iter().filter(|weights| weights.default);
    for weights in defaults {
        assert!(weights.license.allows_commercial_use(), "{}", weights.id);
        assert_eq!(Weights::named(weights.arch.name()).unwrap(), weights);
    }
    // timm's defaults, except one that has a non-commercial license.
    for (name, id) in [
        ("resnet18", "resnet18.a1_in1k"),
        ("resnet50d", "resnet50d.ra2_in1k"),
        ("wide_resnet50_2", "wide_resnet50_2.racm_in1k"),
        ("resnext101_32x8d", "resnext101_32x8d.tv_in1k"),
        ("resnext101_32x4d", "resnext101_32x4d.gluon_in1k"),
        ("test_resnet", "test_resnet.r160_in1k"),
    ] {
        assert_eq!(Weights::named(name).unwrap().id, id);
    }
    let error = Weights::named("resnext101_32x16d").unwrap_err();
    assert!(matches!(&error, UnknownWeights::Restricted { ids, .. } if ids.len() == 3));
    assert!(
        error
            .to_string()
            .contains("resnext101_32x16d.fb_swsl_ig1b_ft_in1k")
    );
    let named = Weights::named("resnext101_32x16d.fb_swsl_ig1b_ft_in1k").unwrap();
    assert_eq!(named.license, License::CcByNc4);
}

#[test]
fn other_spellings_are_known() {
    for (name, id) in [
        ("ResNet50_Weights.IMAGENET1K_V1", "resnet50.tv_in1k"),
        ("ResNet50_Weights.IMAGENET1K_V2", "resnet50.tv2_in1k"),
        ("ResNet50_Weights.DEFAULT", "resnet50.tv2_in1k"),
        ("ResNet18_Weights.DEFAULT", "resnet18.tv_in1k"),
        (
            "Wide_ResNet101_2_Weights.IMAGENET1K_V1",
            "wide_resnet101_2.tv_in1k",
        ),
        (
            "ResNeXt101_64X4D_Weights.IMAGENET1K_V1",
            "resnext101_64x4d.tv_in1k",
        ),
        ("timm/resnet50d.ra2_in1k", "resnet50d.ra2_in1k"),
        ("hf-hub:timm/resnet50d.ra2_in1k", "resnet50d.ra2_in1k"),
    ] {
        assert_eq!(Weights::named(name).unwrap().id, id, "{name}");
    }
}

#[test]
fn a_typo_is_an_error_with_the_most_similar_names() {
    for (name, nearest) in [
        ("resnet50.a1_in1", "resnet50.a1_in1k"),
        ("resnet5O.a1_in1k", "resnet50.a1_in1k"),
        ("resnext50_32x4", "resnext50_32x4d"),
        (
            "ResNet50_Weights.IMAGENET1K_V3",
            "ResNet50_Weights.IMAGENET1K_V1",
        ),
        ("", "resnet"),
    ] {
        let error = Weights::named(name).unwrap_err().to_string();
        assert!(error.contains(nearest), "{error}");
        assert!(!error.contains('\n'));
    }
    let error = Weights::named("resnet200").unwrap_err().to_string();
    assert!(error.contains("no weights are published"), "{error}");
    let error = Weights::named("cifar_resnet56.mine")
        .unwrap_err()
        .to_string();
    assert!(error.contains("no weights are published"), "{error}");
}

#[test]
fn patterns_select_matching_ids() {
    assert_eq!(Weights::matching("*").unwrap().len(), Weights::all().len());
    let wide = Weights::matching("wide_resnet*.tv*").unwrap();
    assert_eq!(wide.len(), 4);
    assert!(Weights::matching("resnet50").unwrap().len() > 15);
    assert_eq!(
        Weights::matching("ResNet50_Weights.DEFAULT").unwrap().len(),
        1
    );
    assert_eq!(Weights::matching("z*").unwrap(), Vec::<&Weights>::new());
    assert!(matches!(
        Weights::matching("[a"),
        Err(UnknownWeights::Pattern { .. })
    ));
    assert!(matches!(
        Weights::matching("resnet5x"),
        Err(UnknownWeights::Name { .. })
    ));
}
