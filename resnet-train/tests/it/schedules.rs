//! Compares learning rate schedules with PyTorch.

use resnet_testing::pairs;
use resnet_train::{Decay, Plateau, Schedule};

use crate::json;

fn rates(name: &str) -> Vec<f64> {
    serde_json::from_value(json("schedules.json")[name].clone()).unwrap()
}

fn schedule(decay: Decay) -> Schedule {
    Schedule {
        decay,
        warmup: 0,
        warmup_start: 0.01,
        end: 0.0,
        epoch: 2,
        total: 20,
    }
}

fn check(name: &str, schedule: &Schedule) {
    let expected = rates(name);
    assert_eq!(expected.len() as u64, schedule.total);
    for (step, expected) in expected.into_iter().enumerate() {
        let found = schedule.rate(step as u64);
        assert!(
            (found - expected).abs() < 1e-9,
            "{name} {step}: expected {expected}, found {found}"
        );
    }
}

#[test]
fn learning_rates_match_pytorch() {
    check("cosine", &schedule(Decay::Cosine));
    let polynomial = Schedule {
        warmup: 5,
        ..schedule(Decay::Polynomial { power: 0.9 })
    };
    check("warm_polynomial", &polynomial);
    let to_a_tenth = Schedule {
        end: 0.1,
        ..schedule(Decay::Cosine)
    };
    check("cosine_end", &to_a_tenth);
    let warm = Schedule {
        warmup: 5,
        ..schedule(Decay::Cosine)
    };
    check("warm_cosine", &warm);
    let steps = Decay::Steps {
        epochs: vec![3.0, 6.0],
        factor: 0.1,
    };
    check("steps", &schedule(steps));
    check("one_cycle", &schedule(Decay::OneCycle { rise: 0.25 }));
}

#[test]
fn plateau_matches_pytorch() {
    let decay = Decay::Plateau {
        patience: 1,
        factor: 0.5,
    };
    let mut plateau = Plateau::default();
    for (expected, loss) in pairs(rates("plateau"), rates("losses")) {
        assert_eq!(plateau.factor, expected);
        plateau.note(&decay, loss);
    }
}

#[test]
fn the_rate_stays_low_after_the_last_step() {
    // The cosine schedule of Burn 0.21 restarts at the peak.
    let cosine = schedule(Decay::Cosine);
    assert_eq!([20, 21, 50].map(|step| cosine.rate(step)), [0.0; 3]);
    let cycle = schedule(Decay::OneCycle { rise: 0.25 });
    assert!(cycle.rate(25) < 1e-5);
}

#[test]
fn short_runs_have_valid_rates() {
    for total in 1..12 {
        for rise in [0.0, 0.1, 0.25, 0.5, 1.0] {
            let cycle = Schedule {
                total,
                ..schedule(Decay::OneCycle { rise })
            };
            let rates: Vec<f64> = (0..total).map(|step| cycle.rate(step)).collect();
            assert!(
                rates.iter().all(|rate| (0.0..=1.0).contains(rate)),
                "{total} {rise}: {rates:?}"
            );
        }
    }
}
