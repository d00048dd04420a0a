//! Unit tests of the pickle scanner.

use super::*;

fn scan(mut bytes: &[u8]) -> Result<(), ScanError> {
    Scanner::default().scan(&mut bytes)
}

#[test]
fn unsafe_calls_are_named_in_every_protocol() {
    let pickles: [&[u8]; 3] = [
        b"cposix\nsystem\n(S.",
        b"\x80\x02cposix\nsystem\nq\0.",
        b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.",
    ];
    for pickle in pickles {
        let Err(ScanError::Unsafe(global)) = scan(pickle) else {
            panic!("{pickle:?}");
        };
        assert_eq!(global, "posix.system");
    }
    assert!(matches!(
        scan(b"c__builtin__\neval\n."),
        Err(ScanError::Unsafe(_))
    ));
    assert!(scan(b"c__builtin__\nset\n.").is_ok());
    assert!(scan(b"ctorch._utils\n_rebuild_tensor_v2\n.").is_ok());
}

#[test]
fn the_scan_stops_after_the_pickle() {
    let mut bytes: &[u8] = b"\x80\x02X\x01\0\0\0aK\x01.rest";
    Scanner::default().scan(&mut bytes).unwrap();
    assert_eq!(bytes, b"rest");
}

#[test]
fn too_many_operations_are_refused() {
    let pickle = vec![b'N'; MAX_OPERATIONS as usize + 1];
    assert!(matches!(scan(&pickle), Err(ScanError::TooManyOperations)));
}

#[test]
fn lengths_beyond_the_end_are_a_truncation() {
    let ScanError::Io(error) = scan(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa").unwrap_err() else {
        panic!("expected an early end");
    };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// Returns a pickle that calls a function of `torch._utils` without arguments.
fn rebuild(function: &str) -> Vec<u8> {
    format!("ctorch._utils\n{function}\n)R.").into_bytes()
}

fn refusal(pickle: &[u8]) -> String {
    match scan(pickle) {
        Err(ScanError::Refused(refusal)) => refusal.cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bits_of_tensors_are_refused() {
    // storage, offset, size, stride, requires_grad, hooks, metadata
    let v2 = |metadata: &[u8]| {
        let storage =
            b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ";
        let call = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(";
        [&call[..], storage, b"K\0))\x89N", metadata, b"tR."].concat()
    };
    assert!(scan(&v2(b"")).is_ok());
    assert!(scan(&v2(b"}")).is_ok());
    assert!(scan(&v2(b"}X\x03\0\0\0neg\x89s")).is_ok());
    let refused = refusal(&v2(b"}X\x03\0\0\0neg\x88s"));
    assert_eq!(refused, "holds tensors with the `neg` bit set");
    // The dictionary may be filled before or after it is pushed.
    let refused = refusal(&v2(b"(X\x04\0\0\0conjI01\nd"));
    assert_eq!(refused, "holds tensors with the `conj` bit set");
    assert!(refusal(&v2(b"K\x07")).contains("metadata of an unknown form"));
}

#[test]
fn errors_name_the_kind_of_unsupported_tensors() {
    for (function, what) in [
        ("_rebuild_qtensor", "quantized tensors"),
        ("_rebuild_sparse_tensor", "sparse tensors"),
        ("_rebuild_nested_tensor", "nested tensors"),
        ("_rebuild_something_new", "made by"),
    ] {
        let refused = refusal(&rebuild(function));
        assert!(refused.contains(what), "{function}: {refused}");
    }
    let quantized =
        b"\x80\x02(X\x07\0\0\0storagectorch\nQInt8Storage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQ.";
    assert!(refusal(quantized).contains("quantized tensors (`torch.QInt8Storage`)"));
    let module = b"\x80\x02(X\x06\0\0\0modulec__main__\nNet\nNNtQ.";
    assert!(refusal(module).contains("is a whole module"));
}

#[test]
fn subclasses_are_distinguished_from_plain_tensors() {
    let subclass = |class: &str| {
        let start =
            b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\n";
        [&start[..], b"c", class.as_bytes(), b"\n)}tR."].concat()
    };
    assert!(scan(&subclass("torch.nn.parameter\nParameter")).is_ok());
    let refused = refusal(&subclass("torch.distributed.tensor\nDTensor"));
    assert_eq!(
        refused,
        "holds tensors of the class `torch.distributed.tensor.DTensor`"
    );
}

#[test]
fn operations_without_operands_are_inconsistent() {
    for pickle in [
        &b"R."[..],
        b"t.",
        b"\x85.",
        b"h\x07.",
        b"s.",
        b"\x93.",
        b"b.",
    ] {
        assert!(
            matches!(scan(pickle), Err(ScanError::Inconsistent)),
            "{pickle:?}"
        );
    }
}
