//! PyTorch files that are built byte by byte, for cases without a fixture.

use std::io::{Cursor, Write};

use resnet_weights::{Checkpoint, Container, ReadError};
use zip::write::{SimpleFileOptions, ZipWriter};

const SYSTEM: &[u8] = b"\x80\x02}X\x0d\0\0\0little_endian\x88s.";

fn text(text: &str) -> Vec<u8> {
    [
        b"X",
        &(text.len() as u32).to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat()
}

fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items
        .iter()
        .map(|(key, value)| [&text(key)[..], value, b"s"].concat());
    [b"}".to_vec(), items.collect::<Vec<_>>().concat()].concat()
}

/// Returns a tensor that repeats the only element of storage `0` `count` times.
fn tensor(count: u32) -> Vec<u8> {
    let open = b"ctorch._utils\n_rebuild_tensor\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
        X\x01\0\0\x000X\x03\0\0\0cpuK\x01NtQK\0J";
    [open, &count.to_le_bytes()[..], b"\x85K\0\x85tR"].concat()
}

fn pickle(root: &[u8]) -> Vec<u8> {
    [b"\x80\x02", root, b"."].concat()
}

fn legacy(root: &[u8]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    let keys = b"\x80\x02]X\x01\0\0\x000a.";
    let storage = [&1_u64.to_le_bytes()[..], &1_f32.to_le_bytes()].concat();
    [&magic[..], SYSTEM, &pickle(root), keys, &storage].concat()
}

fn archive(root: &[u8], others: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let pickle = pickle(root);
    for (name, content) in [&[("made/data.pkl", &pickle[..])], others].concat() {
        writer
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn member(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [&header[..], content, &padding].concat()
}

/// Returns a tar archive of PyTorch before 0.1.10: `{"fc.bias": [1.0, 2.0]}`.
fn tar(kind: u8) -> Vec<u8> {
    let storage = [
        &pickle(b"K\x01")[..],
        &pickle(b"K\x07X\x03\0\0\0cpuctorch\nFloatStorage\n\x87"),
        &2_u64.to_le_bytes(),
        &[1_f32, 2.0].map(f32::to_le_bytes).concat(),
        &pickle(b"]"),
    ];
    let tensor = [
        &pickle(b"K\x01")[..],
        &pickle(b"K\x09K\x07ctorch\nFloatTensor\n\x87"),
        &[1_i32, 0].map(i32::to_le_bytes).concat(),
        &[2_i64, 1, 0].map(i64::to_le_bytes).concat(),
    ];
    let root = pickle(&dict(&[("fc.bias", b"X\x01\0\0\x009Q".to_vec())]));
    let members = [
        member("sys_info", b'0', SYSTEM),
        member("storages", kind, &storage.concat()),
        member("tensors", b'0', &tensor.concat()),
        member("pickle", b'0', &root),
        vec![0; 1024],
    ];
    members.concat()
}

fn open(bytes: Vec<u8>) -> Result<Checkpoint, ReadError> {
    Checkpoint::from_bytes("f", bytes)
}

fn refusal(bytes: Vec<u8>) -> String {
    open(bytes).unwrap_err().to_string()
}

#[test]
fn objects_beside_the_weights_are_ignored() {
    let scalar = b"cnumpy.core.multiarray\nscalar\nK\x01\x85R".to_vec();
    let checkpoint = open(legacy(&dict(&[
        ("args", b"cargparse\nNamespace\n)\x81".to_vec()),
        ("best", scalar),
        ("anneal", b"c__builtin__\ngetattr\nK\x01\x85R".to_vec()),
        ("model", dict(&[("fc.bias", tensor(1))])),
    ])));
    assert_eq!(checkpoint.unwrap().entries().len(), 1);
}

#[test]
fn weights_beside_an_unsafe_call_are_refused() {
    let call = b"cos\nsystem\nX\x04\0\0\0true\x85R".to_vec();
    let file = legacy(&dict(&[("fc.bias", tensor(1)), ("other", call)]));
    assert!(refusal(file).contains("asks to call `os.system`"));
}

#[test]
fn tar_archives_are_read() {
    let checkpoint = open(tar(b'0')).unwrap();
    assert_eq!(checkpoint.container(), Container::Tar);
    let bias = checkpoint.read("fc.bias").unwrap();
    assert_eq!(bias.as_slice::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn sparse_members_of_tar_archives_are_refused() {
    assert!(refusal(tar(b'S')).contains("member `storages` is of kind `S`"));
}

#[test]
fn tensors_larger_than_their_file_are_refused() {
    let small = open(legacy(&dict(&[("weight", tensor(3))]))).unwrap();
    assert_eq!(
        small.read("weight").unwrap().as_slice::<f32>().unwrap(),
        [1.0; 3]
    );

    let large = open(legacy(&dict(&[("weight", tensor(1 << 30))]))).unwrap();
    let error = large.read("weight").unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
}

#[test]
fn archives_that_unpack_to_far_more_are_refused() {
    let root = dict(&[("weight", tensor(1))]);
    let fair = open(archive(&root, &[("made/data/0", &1_f32.to_le_bytes())])).unwrap();
    assert_eq!(
        fair.read("weight").unwrap().as_slice::<f32>().unwrap(),
        [1.0]
    );

    let zeros = vec![0; 8 << 20];
    assert!(refusal(archive(&root, &[("made/data/0", &zeros)])).contains("unpacked content"));
}

#[test]
fn errors_name_the_kind_of_other_archives() {
    let program = archive(b"N", &[("made/code/__torch__.py", b"")]);
    assert!(refusal(program).contains("is a TorchScript program"));

    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer
        .start_file("weights.npy", SimpleFileOptions::default())
        .unwrap();
    let arrays = writer.finish().unwrap().into_inner();
    assert!(refusal(arrays).contains("is a zip archive without `data.pkl`"));
}

#[test]
fn a_single_tensor_is_not_a_state_dict() {
    let message = refusal(legacy(&tensor(1)));
    assert!(
        message.contains("expected a dictionary of tensors, found `torch.Tensor`"),
        "{message}"
    );
}

#[test]
fn pickles_with_too_many_operations_are_refused() {
    let error = open(pickle(&[b'N'; 2_000_000])).unwrap_err();
    assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
}

#[test]
fn pickles_without_tensors_are_errors() {
    let error = open(pickle(&dict(&[("epoch", b"K\x01".to_vec())]))).unwrap_err();
    assert!(matches!(error, ReadError::NoTensors { .. }), "{error}");
}
