//! The report of built-in backends and devices, and errors of unavailable ones.

use burn::tensor::backend::Backend;
use resnet_backend::{BackendError, BackendName, Selection, Work, backends, with_backend};

struct Name;

impl Work for Name {
    type Output = String;

    fn run<B: Backend>(self, device: B::Device) -> String {
        B::name(&device)
    }
}

#[test]
fn the_report_names_every_backend_once_and_one_default() {
    let report = backends();
    let names: Vec<_> = report.iter().map(|backend| backend.name).collect();
    assert_eq!(names, BackendName::ALL);
    let defaults: Vec<_> = report.iter().filter(|backend| backend.default).collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0].name, Selection::fastest().backend);
    assert!(defaults[0].built);
    for backend in &report {
        let found = (backend.devices.is_empty(), backend.problem.is_none());
        let expected = match backend.built {
            true => [(false, true), (true, false)].contains(&found),
            false => found == (true, true),
        };
        assert!(expected, "{backend:?}");
    }
}

#[test]
fn every_device_of_the_report_can_be_selected_and_opened() {
    for device in backends().iter().flat_map(|backend| &backend.devices) {
        let selection: Selection = device.selection.parse().unwrap();
        assert_eq!(selection.to_string(), device.selection);
        let name = with_backend(selection, Name).unwrap();
        println!("{selection}: {name}, {}", device.description);
    }
}

#[test]
fn a_missing_device_is_an_error_that_names_it() {
    let last = [
        "wgpu:99",
        "vulkan:99",
        "metal:99",
        "webgpu:99",
        "cuda:99",
        "rocm:99",
        "tch:cuda:99",
    ];
    for text in last {
        let selection: Selection = text.parse().unwrap();
        match with_backend(selection, Name).unwrap_err() {
            BackendError::NotBuilt { name } => assert!(!name.is_built()),
            error @ BackendError::NoDevice { .. } => {
                let start = format!("backend `{text}` finds no device: ");
                assert!(error.to_string().starts_with(&start), "{error}");
                println!("{error}");
            }
            error => panic!("{error}"),
        }
    }
}

/// Work that needs more memory than any device has.
#[cfg(feature = "tch")]
struct Impossible;

#[cfg(feature = "tch")]
impl Work for Impossible {
    type Output = ();

    fn run<B: Backend>(self, device: B::Device) {
        use burn::tensor::Tensor;
        // 4 EiB.
        Tensor::<B, 2>::ones([1 << 30, 1 << 30], &device);
    }
}

#[cfg(feature = "tch")]
#[test]
fn a_failure_during_the_work_is_an_error_with_the_library_message() {
    let error = with_backend("tch:cpu".parse().unwrap(), Impossible)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("backend `tch:cpu` failed: "), "{error}");
    assert!(error.contains("memory"), "{error}");
}
