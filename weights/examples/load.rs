//! Measures the load time and peak memory of a checkpoint.
//!
//! ```text
//! cargo run --release -p resnet-weights --example load -- make FOLDER
//! cargo run --release -p resnet-weights --example load -- FOLDER/resnet50.pth
//! cargo run --release -p resnet-weights --example load -- FOLDER/resnet50.safetensors
//! ```
//!
//! `make` writes a ResNet-50 with generated weights as `.pth` and `.safetensors`. Run each load in
//! its own process, so that the peak memory belongs to one file.

#![expect(clippy::print_stdout, reason = "the example prints its measurements")]

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use burn::backend::Flex;
use resnet_core::{Arch, Network, ResNet};
use resnet_testing::keyed;
use resnet_weights::{Checkpoint, Load};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder] => make(Path::new(folder)),
        [file] => load(file),
        _ => Err("expected `make FOLDER` or `FILE`".into()),
    }
}

fn load(file: &str) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let checkpoint = Checkpoint::open(file)?;
    let config = checkpoint.infer()?.config;
    let (model, report) =
        Load::default().apply(config.init::<Flex>(&Default::default()), &checkpoint)?;
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = std::fs::metadata(file)?.len() as f64 / 1e6;
    println!(
        "{file}: {} tensors, {} parameters",
        report.loaded,
        model.num_parameters()
    );
    println!("{:.0} ms for {megabytes:.0} MB", 1e3 * seconds);
    // Linux only: the peak resident memory of the process.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    if let Some(kilobytes) = peak.and_then(|peak| peak.parse::<f64>().ok()) {
        let peak = kilobytes * 1024.0 / 1e6;
        println!(
            "peak memory {peak:.0} MB, {:.2} times the file",
            peak / megabytes
        );
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let model: ResNet<Flex> = Arch::ResNet50.config().init(&Default::default());
    let model = keyed::fill(model, 7);
    resnet_weights::save(&model, folder.join("resnet50.safetensors"))?;
    write_pth(&model, &folder.join("resnet50.pth"))
}

/// Writes a zip archive like `torch.save`: one pickle, and one stored file per tensor.
fn write_pth(model: &ResNet<Flex>, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut zip = ZipWriter::new(std::fs::File::create(path)?);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut place = 0;
    model.visit_state::<Box<dyn Error>>(|key, data| {
        pickle.extend(tensor(key, &data.shape, place));
        zip.start_file(format!("resnet50/data/{place}"), stored)?;
        zip.write_all(data.as_bytes())?;
        place += 1;
        Ok(())
    })?;
    pickle.extend(b"u.");
    zip.start_file("resnet50/data.pkl", stored)?;
    zip.write_all(&pickle)?;
    zip.start_file("resnet50/byteorder", stored)?;
    zip.write_all(b"little")?;
    zip.start_file("resnet50/version", stored)?;
    zip.write_all(b"3\n")?;
    zip.finish()?;
    Ok(())
}

/// Returns `key: torch._utils._rebuild_tensor_v2(storage, 0, shape, stride, False, OrderedDict())`
/// as a pickle.
fn tensor(key: &str, shape: &[usize], place: usize) -> Vec<u8> {
    let text = |text: &str| {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    };
    let number = |n: usize| [b"J", &(n as i32).to_le_bytes()[..]].concat();
    let tuple = |numbers: Vec<usize>| {
        let numbers: Vec<u8> = numbers.into_iter().flat_map(number).collect();
        [b"(", &numbers[..], b"t"].concat()
    };
    let strides = (0..shape.len())
        .map(|i| shape[i + 1..].iter().product())
        .collect();
    [
        text(key),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text(&place.to_string()),
        text("cpu"),
        number(shape.iter().product()),
        b"tQK\0".to_vec(),
        tuple(shape.to_vec()),
        tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}
