//! Tests of every case of resnet-core's `cases.json`.

use resnet_engine::CompileOptions;
use resnet_testing::{every_case, relative_error, suite};

use crate::{Found, assert_alike, compile, images, run, run_burn, tolerance};

/// Compares a case with PyTorch (1e-4) and with the fused Burn network (1e-6).
fn case(name: &str) {
    let cases = suite::cases();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let config = suite::config_of(case);
    let seed = case["seed"].as_u64().unwrap();
    let dims: [usize; 4] = serde_json::from_value(case["input"].clone()).unwrap();
    let options = CompileOptions {
        size: Some([dims[2], dims[3]]),
        batch: dims[0],
        ..CompileOptions::default()
    };
    let engine = compile(&config, seed, options);
    let x = images(seed, dims);
    let found = run(&engine, &x, dims);
    assert_eq!(run(&engine, &x, dims), found, "a second run");
    check(name, &found, dims);
    assert_alike(
        name,
        &found,
        &run_burn(&config, seed, &x, dims),
        tolerance(&config),
    );

    // Each image alone, in the other layout.
    let [batch, c, h, w] = dims;
    for number in 0..batch {
        let one = [1, c, h, w];
        let image = &x[number * c * h * w..][..c * h * w];
        let alone = run(&engine, image, one);
        let of_batch = |values: &[f32]| {
            let length = values.len() / batch;
            values[number * length..][..length].to_vec()
        };
        let maps = found.maps.iter().map(|(dims, values)| {
            let [_, c, h, w] = *dims;
            ([1, c, h, w], of_batch(values))
        });
        let expected = Found {
            logits: of_batch(&found.logits),
            embedding: of_batch(&found.embedding),
            maps: maps.collect(),
        };
        assert_alike(&format!("{name}, one image"), &alone, &expected, 1e-6);
    }
}

/// Compares logits, embedding and the channel means of the maps with PyTorch's.
fn check(name: &str, found: &Found, [batch, ..]: [usize; 4]) {
    let expected = suite::expected(name);
    let mut outputs = vec![
        ("logits".to_string(), found.logits.clone()),
        ("embedding".to_string(), found.embedding.clone()),
    ];
    for (index, ([_, c, h, w], values)) in found.maps.iter().enumerate() {
        let means = values
            .chunks(h * w)
            .map(|pixels| pixels.iter().sum::<f32>() / (h * w) as f32);
        let means: Vec<f32> = means.collect();
        assert_eq!(means.len(), batch * c);
        outputs.push((format!("c{}", index + 1), means));
    }
    assert_eq!(outputs.len(), expected.len());
    for (output, values) in outputs {
        let error = relative_error(&values, &expected[&output]);
        assert!(error <= 1e-4, "{name} {output}: {error:.2e}");
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test] fn $name() {
            case(stringify!($name));
        })*
    };
}

every_case!(tests);
