//! Unit tests for layouts.

use super::*;
use crate::Dtype;

fn entry(key: &str, shape: &[usize]) -> Entry {
    Entry {
        key: key.into(),
        dtype: Dtype::F32,
        shape: shape.into(),
        size_bytes: 0,
        place: 0,
    }
}

/// Returns a network of one stage with 8 channels below `root`.
fn network(root: &str) -> Vec<Entry> {
    let conv = |key: &str, input| entry(&format!("{root}{key}"), &[8, input, 3, 3]);
    vec![
        conv("conv1.weight", 3),
        conv("layer1.0.conv1.weight", 8),
        conv("layer1.0.conv2.weight", 8),
        entry(&format!("{root}bn1.weight"), &[8]),
    ]
}

fn roots(entries: &[Entry]) -> Vec<String> {
    find(entries)
        .iter()
        .map(|state| state.root.clone())
        .collect()
}

fn view(entries: &[Entry]) -> View {
    let states = find(entries);
    assert_eq!(choose(&states), Choice::One(0));
    states[0].view(entries, &states)
}

fn with(mut entries: Vec<Entry>, others: &[(&str, &[usize])]) -> Vec<Entry> {
    entries.extend(others.iter().map(|(key, shape)| entry(key, shape)));
    entries
}

#[test]
fn a_network_is_found_below_any_path() {
    for root in [
        "",
        "model.",
        "a.b.c.",
        "state_dict.module._orig_mod.",
        "timm_model.",
    ] {
        let entries = with(
            network(root),
            &[("optimizer.state.0.exp_avg", &[8, 3, 3, 3])],
        );
        assert_eq!(roots(&entries), [root]);
        let view = view(&entries);
        assert_eq!(view.places.len(), 4, "{root}");
        assert!(view.places.contains_key("layer1.0.conv1.weight"), "{root}");
    }
}

#[test]
fn a_first_convolution_alone_is_not_a_network() {
    assert_eq!(roots(&[entry("vgg.conv1.weight", &[8, 3, 3, 3])]), [""; 0]);
}

#[test]
fn averaged_weights_are_preferred_and_other_networks_require_a_choice() {
    let choice = |roots: &[&str]| {
        let entries: Vec<Entry> = roots.iter().flat_map(|root| network(root)).collect();
        let states = find(&entries);
        match choose(&states) {
            Choice::One(place) => states[place].name().to_string(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(
        choice(&["state_dict.", "state_dict_ema.module."]),
        "state_dict_ema.module"
    );
    assert_eq!(choice(&["model.", "ema-model."]), "ema-model");
    assert_eq!(choice(&["student.", "teacher."]), "Several");
    assert_eq!(choice(&["a_ema.", "b_ema.", "c."]), "Several");
    assert_eq!(choice(&["schema.", "model."]), "Several");
}

#[test]
fn the_classifier_has_many_names() {
    for (weight, bias) in [
        ("fc.weight", "fc.bias"),
        ("fc.1.weight", "fc.1.bias"),
        ("classifier.weight", "classifier.bias"),
        ("head.fc.weight", "head.fc.bias"),
        ("linear.weight", "linear.bias"),
    ] {
        for root in ["", "backbone."] {
            let head: [(&str, &[usize]); 2] = [(weight, &[5, 8]), (bias, &[5])];
            let view = view(&with(network(root), &head));
            assert_eq!(view.head, Head::Linear, "{root} {weight}");
            let place = |key: &str| view.entries[view.places[key]].key.clone();
            assert_eq!(place("fc.weight"), weight);
            assert_eq!(place("fc.bias"), bias);
            assert_eq!(view.left_out, [""; 0]);
        }
    }
}

#[test]
fn heads_of_several_layers_are_not_a_classifier() {
    let layers: [(&str, &[usize]); 2] = [("fc.0.weight", &[8, 8]), ("fc.2.weight", &[5, 8])];
    let found = view(&with(
        network("net."),
        &layers.map(|(key, shape)| (key, shape)),
    ));
    assert_eq!(found.head, Head::Layers { name: "fc".into() });
    assert_eq!(found.left_out, ["fc.0.weight", "fc.2.weight"]);

    let inside: [(&str, &[usize]); 2] =
        [("net.fc.0.weight", &[8, 8]), ("net.fc.2.weight", &[5, 8])];
    let found = view(&with(network("net."), &inside));
    assert_eq!(found.head, Head::Layers { name: "fc".into() });
    assert!(found.places.contains_key("fc.2.weight"));

    // A second classifier takes the outputs of the first.
    let second: [(&str, &[usize]); 2] = [("0.fc.weight", &[1000, 8]), ("1.weight", &[2, 1000])];
    let found = view(&with(network("0."), &second));
    assert_eq!(
        found.head,
        Head::Layers {
            name: "1`, `fc".into()
        }
    );
}

#[test]
fn a_linear_layer_with_other_inputs_is_not_a_classifier() {
    let found = view(&with(network("encoder."), &[("head.weight", &[5, 9])]));
    assert_eq!(
        found.head,
        Head::Layers {
            name: "head".into()
        }
    );
    assert_eq!(found.left_out, ["head.weight"]);
}

/// The backbone has 8 output channels.
#[test]
fn layers_before_or_after_a_classifier_make_a_layered_head() {
    let linear = |name: &str, out: usize, input: usize| {
        vec![
            (format!("{name}.weight"), vec![out, input]),
            (format!("{name}.bias"), vec![out]),
        ]
    };
    let norm = |name: &str| {
        vec![
            (format!("{name}.weight"), vec![8]),
            (format!("{name}.bias"), vec![8]),
        ]
    };
    for (root, parts, name) in [
        ("0.", [linear("1", 4, 8), linear("3", 5, 4)], "1`, `3"),
        (
            "resnet.",
            [linear("resnet.fc", 7, 8), linear("fc1", 3, 7)],
            "fc`, `fc1",
        ),
        (
            "backbone.",
            [linear("fc", 7, 8), linear("classifier", 3, 7)],
            "classifier`, `fc",
        ),
        (
            "backbone.",
            [linear("embedding", 8, 8), linear("classifier", 3, 8)],
            "classifier`, `embedding",
        ),
        (
            "backbone.",
            [norm("bottleneck"), linear("classifier", 3, 8)],
            "bottleneck`, `classifier",
        ),
        ("0.", [norm("1"), linear("3", 3, 8)], "1`, `3"),
        (
            "resnet.",
            [linear("resnet.fc", 8, 8), norm("bn")],
            "bn`, `fc",
        ),
        (
            "backbone.",
            [linear("neck.fc", 4, 8), linear("head.fc", 3, 4)],
            "head",
        ),
        (
            "net.",
            [vec![("pooling.p".into(), vec![1])], linear("fc", 3, 8)],
            "fc`, `pooling",
        ),
        (
            "net.",
            [linear("hidden", 4, 8), linear("result", 3, 4)],
            "hidden`, `result",
        ),
    ] {
        let parts: Vec<(String, Vec<usize>)> = parts.concat();
        let parts: Vec<(&str, &[usize])> = parts
            .iter()
            .map(|(key, shape)| (key.as_str(), &shape[..]))
            .collect();
        let found = view(&with(network(root), &parts));
        assert_eq!(found.head, Head::Layers { name: name.into() }, "{parts:?}");
    }
}

#[test]
fn convolutions_attention_and_learned_pools_before_a_classifier_make_a_layered_head() {
    for (name, parts) in [
        ("projection", vec![("projection.weight", vec![8, 8])]),
        (
            "metric_bn",
            vec![("metric_bn.weight", vec![8]), ("metric_bn.bias", vec![8])],
        ),
        (
            "se",
            vec![
                ("se.fc.0.weight", vec![2, 8]),
                ("se.fc.2.weight", vec![8, 2]),
            ],
        ),
        ("attention", vec![("attention.weight", vec![1, 8])]),
        ("reduce", vec![("reduce.weight", vec![8, 8, 1, 1])]),
        ("gp", vec![("gp.p", vec![1])]),
    ] {
        let mut entries = with(network("backbone."), &[("classifier.weight", &[3, 8])]);
        entries.extend(parts.iter().map(|(key, shape)| entry(key, shape)));
        let Head::Layers { name: found } = view(&entries).head else {
            panic!("{name}: no layers")
        };
        assert!(found.contains(name), "{found}");
    }
    // Loss weights, thresholds, and a convolution of another module.
    let others: [(&str, &[usize]); 4] = [
        ("net.fc.weight", &[3, 8]),
        ("ce.weight", &[3]),
        ("x.conv.weight", &[2, 16, 1, 1]),
        ("net.projector.0.weight", &[4, 8]),
    ];
    assert_eq!(view(&with(network("net."), &others)).head, Head::Linear);
}

#[test]
fn nested_networks_keep_their_own_tensors() {
    let mut entries = with(network(""), &[("fc.weight", &[3, 8])]);
    entries.extend(with(network("module."), &[("module.fc.weight", &[5, 8])]));
    let states = find(&entries);
    assert_eq!(choose(&states), Choice::Several);
    for (name, classes) in [(".", 3), ("module", 5)] {
        let state = states.iter().find(|state| state.name() == name).unwrap();
        let found = state.view(&entries, &states);
        assert_eq!(found.head, Head::Linear, "{name}");
        let fc = &found.entries[found.places["fc.weight"]];
        assert_eq!(fc.shape, [classes, 8]);
        assert_eq!(found.left_out.len(), 5, "{name}: {:?}", found.left_out);
    }
    // Both tensors with the same key stay; the second is not part of the network.
    let twice = with(
        network(""),
        &[("layer1.module.0.conv1.weight", &[8, 8, 3, 3])],
    );
    assert!(
        view(&twice)
            .places
            .contains_key("layer1.module.0.conv1.weight")
    );
}

#[test]
fn many_first_convolutions_are_searched_quickly() {
    let first = |i: usize| entry(&format!("a{i}.conv1.weight"), &[8, 3, 3, 3]);
    let entries: Vec<Entry> = (0..100_000).map(first).collect();
    assert_eq!(find(&entries).len(), 0);
}

#[test]
fn tensors_outside_a_network_are_left_out() {
    let head: [(&str, &[usize]); 6] = [
        ("module.projection_head.0.weight", &[4, 8]),
        ("module.prototypes.weight", &[30, 8]),
        ("criterion.weight", &[5]),
        ("optimizer.state.0.exp_avg", &[8]),
        ("classes", &[5, 8]),
        ("module.fc.weight", &[5, 8]),
    ];
    let found = view(&with(network("module."), &head));
    assert_eq!(found.head, Head::Linear);
    assert_eq!(found.left_out.len(), 5);
    // The classifier of another network, and a head two levels above.
    let mut both = network("a.student.backbone.");
    both.extend(network("a.teacher.backbone."));
    let both = with(
        both,
        &[("a.teacher.head.weight", &[3, 8]), ("head.weight", &[5, 8])],
    );
    let states = find(&both);
    let student = states
        .iter()
        .find(|state| state.name() == "a.student.backbone")
        .unwrap();
    let found = student.view(&both, &states);
    assert_eq!(found.head, Head::Linear);
    assert_eq!(found.entries[found.places["fc.weight"]].shape, [5, 8]);
}

#[test]
fn the_only_linear_layer_is_the_classifier_under_any_name() {
    for root in ["", "encoder."] {
        let head: [(&str, &[usize]); 2] = [("out_.weight", &[5, 8]), ("out_.bias", &[5])];
        let found = view(&with(network(root), &head));
        assert_eq!(
            (found.head, found.unusual_head.as_deref()),
            (Head::Linear, Some("out_"))
        );
    }
}

#[test]
fn wrapped_modules_have_unwrapped_keys() {
    let mut entries = network("model.");
    for entry in &mut entries {
        entry.key = entry
            .key
            .replace("layer1.", "layer1._orig_mod.")
            .replace("conv2", "module.conv2");
    }
    let found = view(&entries);
    assert!(found.places.contains_key("layer1.0.conv1.weight"));
    assert!(found.places.contains_key("layer1.0.conv2.weight"));
}

#[test]
fn sequences_show_whether_a_pool_follows_the_stem() {
    let sequence = |first: usize| {
        let stage = |key: &str| entry(&format!("{first}.0.{key}"), &[8, 8, 3, 3]);
        let linear = format!("{}.weight", first + 2);
        vec![
            entry("0.weight", &[8, 3, 3, 3]),
            entry("1.weight", &[8]),
            stage("conv1.weight"),
            stage("conv2.weight"),
            entry(&linear, &[5, 8]),
        ]
    };
    let pooled = view(&sequence(4));
    assert_eq!(pooled.stem_pool, None);
    assert_eq!(pooled.head, Head::Linear);
    assert!(pooled.places.contains_key("layer1.0.conv2.weight"));
    assert_eq!(view(&sequence(3)).stem_pool, Some(false));
}

#[test]
fn keys_of_transformers_are_translated() {
    let root = "resnet.encoder.stages.0.layers.0";
    let entries = [
        entry("resnet.embedder.embedder.convolution.weight", &[8, 3, 7, 7]),
        entry("resnet.embedder.embedder.normalization.weight", &[8]),
        entry(&format!("{root}.layer.0.convolution.weight"), &[8, 8, 3, 3]),
        entry(&format!("{root}.layer.1.convolution.weight"), &[8, 8, 3, 3]),
        entry(&format!("{root}.shortcut.normalization.running_mean"), &[8]),
        entry("classifier.1.weight", &[3, 8]),
    ];
    let found = view(&entries);
    let keys: Vec<&str> = found.places.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "bn1.weight",
            "conv1.weight",
            "fc.weight",
            "layer1.0.conv1.weight",
            "layer1.0.conv2.weight",
            "layer1.0.downsample.1.running_mean",
        ]
    );
}
