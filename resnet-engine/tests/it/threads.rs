//! Tests with more threads than a feature map has pixels.

use std::process::Command;

#[test]
fn more_threads_than_pixels() {
    let tests = [
        "parity::resnet18",
        "parity::resnet50d_odd",
        "parity::cifar_resnet20",
        "int8::torchvisions_networks_give_the_integers_of_pytorch",
        "int8::mixed_networks_are_close",
    ];
    let output = Command::new(std::env::current_exe().unwrap())
        .args(tests)
        .arg("--exact")
        .env("RAYON_NUM_THREADS", "64")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("5 passed"), "{text}");
}
