//! Tests that a second run allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use resnet_core::{Arch, NormKind, ResNetConfig};
use resnet_engine::{Batch, Engine, Outputs, Precision};

use crate::int8::quantize;
use crate::{all, compile, images};

/// Counts the allocations of all threads.
struct Counter;

static COUNT: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTER: Counter = Counter;

// SAFETY: forwards to the system's allocator.
#[expect(unsafe_code, reason = "an allocator")]
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: see above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The process that runs this test alone, because other tests would allocate meanwhile.
const ALONE: &str = "RESNET_TEST_ALONE";

#[test]
fn a_second_run_allocates_nothing() {
    if std::env::var_os(ALONE).is_some() {
        return count();
    }
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["allocations::a_second_run_allocates_nothing", "--exact"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

fn count() {
    let grouped = |arch: Arch| arch.config().with_norm(NormKind::Group { groups: 8 });
    let configs: [ResNetConfig; 7] = [
        Arch::ResNet18.config(),
        Arch::ResNet50d.config(),
        Arch::ResNeXt50_32x4d.config(),
        Arch::EcaResNet26t.config(),
        Arch::SeResNet50.config(),
        Arch::CifarPreActResNet164.config(),
        grouped(Arch::ResNet18),
    ];
    let float = |config: &ResNetConfig| (compile(config, 1, Precision::F32), "f32");
    let int8 = |config: &ResNetConfig| {
        let dims = [1, config.in_channels, 64, 64];
        let network = quantize(config, 1, &images(1, dims), dims, |_| true);
        let engine = Engine::compile_quantized(network, Precision::F32).unwrap();
        (engine, "int8")
    };
    for (engine, kind) in configs.iter().map(float).chain(configs.iter().map(int8)) {
        let config = engine.config();
        let dims = [2, config.in_channels, 64, 64];
        let x = images(1, dims);
        let mut session = engine.session();
        let outputs = all(config);
        let run = |session: &mut resnet_engine::Session, outputs: Outputs| {
            let batch = Batch::channels_first(&x, dims);
            session.run(batch, outputs).unwrap();
        };
        // Each thread of the pool grows its own buffers.
        (0..20).for_each(|_| run(&mut session, outputs));
        let before = COUNT.load(Ordering::Relaxed);
        (0..10).for_each(|_| run(&mut session, outputs));
        let allocations = COUNT.load(Ordering::Relaxed) - before;
        // rayon's queue for jobs from other threads grows by a block every 63 jobs.
        assert!(
            allocations <= 1,
            "{config} {kind}: {allocations} allocations"
        );
    }
}
