//! Tests of the error messages.

use resnet_core::{AntiAlias, Arch};
use resnet_engine::{Batch, Engine, Outputs, Precision};

use crate::{compile, images};

#[test]
fn a_state_dict_that_does_not_fit_is_refused() {
    let config = Arch::TestResNet.config();
    let compile = |values: &dyn Fn(&str, usize) -> Result<usize, String>| {
        let read = |key: &str, shape: &[usize]| {
            values(key, shape.iter().product()).map(|count| vec![0.0_f32; count])
        };
        Engine::compile(&config, read, Precision::F32)
            .unwrap_err()
            .to_string()
    };
    let error = compile(&|key, _| Err(format!("no {key} here")));
    assert_eq!(error, "`conv1.0.weight`: no conv1.0.weight here");
    let error = compile(&|key, count| Ok(count - usize::from(key == "fc.bias")));
    assert_eq!(error, "`fc.bias`: expected 1000 values, found 999");
    let error = Engine::compile(
        &config.clone().with_in_channels(0),
        |_: &str, _: &[usize]| Ok::<_, String>(Vec::new()),
        Precision::F32,
    );
    assert!(error.unwrap_err().to_string().contains("`in_channels`"));
}

#[test]
fn an_input_that_does_not_fit_is_refused() {
    let config = Arch::CifarResNet20.config();
    let engine = compile(&config, 1, Precision::F32);
    let mut session = engine.session();
    let mut error = |values: &[f32], dims: [usize; 4], outputs: Outputs| {
        let batch = Batch::channels_last(values, dims);
        session.run(batch, outputs).unwrap_err().to_string()
    };
    let x = images(1, [1, 3, 8, 8]);
    assert_eq!(
        error(&x, [0, 3, 8, 8], Outputs::LOGITS),
        "expected at least one image, found none"
    );
    assert_eq!(
        error(&x, [1, 1, 8, 24], Outputs::LOGITS),
        "expected images with 3 channels, found 1"
    );
    assert_eq!(
        error(&x, [1, 3, 8, 9], Outputs::LOGITS),
        "expected 216 values for these sizes, found 192"
    );
    assert_eq!(
        error(&x, [1, 3, usize::MAX, 9], Outputs::LOGITS),
        format!("expected {} values for these sizes, found 192", usize::MAX)
    );
    let c5 = Outputs {
        c5: true,
        ..Outputs::NONE
    };
    assert_eq!(
        error(&x, [1, 3, 8, 8], c5),
        "expected a feature map from c1 to c4, found c5"
    );

    let headless = compile(&config.with_num_classes(0), 1, Precision::F32);
    let batch = Batch::channels_last(&x, [1, 3, 8, 8]);
    let error = headless.session().run(batch, Outputs::LOGITS).unwrap_err();
    assert!(error.to_string().contains("request the embedding"));

    let blurred = Arch::ResNet18.config().with_anti_alias(AntiAlias::Blur);
    let blurred = compile(&blurred, 1, Precision::F32);
    let x = images(1, [1, 3, 2, 2]);
    let batch = Batch::channels_last(&x, [1, 3, 2, 2]);
    let error = blurred.session().run(batch, Outputs::LOGITS).unwrap_err();
    assert!(error.to_string().contains("input size"), "{error}");
}

/// A session stays usable after an error, and for other sizes and outputs.
#[test]
fn a_session_runs_any_size_after_another() {
    let config = Arch::CifarResNet20.config();
    let engine = compile(&config, 1, Precision::F32);
    let mut session = engine.session();
    for (dims, outputs) in [
        ([1, 3, 32, 32], Outputs::LOGITS),
        ([3, 3, 40, 24], Outputs::EMBEDDING),
        ([1, 3, 1, 1], Outputs::LOGITS),
        ([1, 3, 32, 32], Outputs::LOGITS),
    ] {
        let x = images(2, dims);
        let batch = Batch::channels_first(&x, dims);
        let wrong = Batch::channels_first(&x, [1, 3, 5, 5]);
        assert!(session.run(wrong, outputs).is_err());
        let again = session.run(batch, outputs).unwrap();
        let (logits, embedding) = (again.logits(), again.embedding());
        let mut fresh = engine.session();
        let fresh = fresh.run(batch, outputs).unwrap();
        assert_eq!((logits, embedding), (fresh.logits(), fresh.embedding()));
        assert_eq!(logits.is_some(), outputs.logits);
    }
}

#[test]
fn the_precision_rounds_weights() {
    let config = Arch::CifarResNet20.config();
    let dims = [1, 3, 32, 32];
    let x = images(3, dims);
    let exact = crate::run(&compile(&config, 3, Precision::F32), &x, dims);
    // F16 has 11 significant bits, BF16 has 8.
    for (precision, least, most) in [(Precision::F16, 1e-5, 5e-3), (Precision::BF16, 1e-4, 5e-2)] {
        let rounded = crate::run(&compile(&config, 3, precision), &x, dims);
        let error = resnet_testing::relative_error(&rounded.logits, &exact.logits);
        assert!(
            (least..=most).contains(&error),
            "{precision:?}: {error:.1e}"
        );
    }
}

#[test]
fn engines_are_shared_between_threads() {
    let config = Arch::CifarResNet20.config();
    let engine = compile(&config, 4, Precision::F32);
    let dims = [1, 3, 32, 32];
    let x = images(4, dims);
    let expected = crate::run(&engine, &x, dims);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| crate::run(&engine.clone(), &x, dims)))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
    fn is_shared<T: Send + Sync + Clone>(_: &T) {}
    is_shared(&engine);
}
