//! Walks over pickles without building anything, before pytorch-reader builds their objects.
//!
//! Each operation of a pickle costs the reader about a hundred bytes of memory, and nothing in it
//! limits their number: 100 MB of `N` would become some 10 GB of `None`.

use std::io::{self, BufRead, Read};

/// Operations accepted in all pickles of a file: `torch.save` writes about 35 a tensor.
const MAX_OPERATIONS: u64 = 1_000_000;

/// Longer texts are no names of Python objects.
const MAX_NAME_BYTES: u64 = 256;

/// Modules whose functions start programs, touch files or load code.
const UNSAFE_MODULES: [&str; 20] = [
    "asyncio",
    "bdb",
    "code",
    "ctypes",
    "importlib",
    "marshal",
    "multiprocessing",
    "nt",
    "os",
    "pdb",
    "pickle",
    "pip",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "webbrowser",
];

/// Built-in functions that run or read what they are given. `getattr` is none of them: the state of
/// `OneCycleLR` has it.
const UNSAFE_BUILTINS: [&str; 9] = [
    "__import__",
    "apply",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "execfile",
    "file",
    "open",
];

/// Why a walk stopped.
#[derive(Debug)]
pub(super) enum ScanError {
    Io(io::Error),
    UnknownOperation(u8),
    TooManyOperations,
    Unsafe(String),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        ScanError::Io(error)
    }
}

/// A walk over the pickles of one file, which share one limit.
#[derive(Default)]
pub(super) struct Scanner {
    operations: u64,
    names: [String; 2],
}

impl Scanner {
    pub(super) const MAX_OPERATIONS: u64 = MAX_OPERATIONS;

    /// Walks over one pickle and leaves `input` behind its end.
    pub(super) fn scan(&mut self, input: &mut impl BufRead) -> Result<(), ScanError> {
        loop {
            self.operations += 1;
            if self.operations > MAX_OPERATIONS {
                return Err(ScanError::TooManyOperations);
            }
            let [operation] = array(input)?;
            match operation {
                b'.' => return Ok(()),
                b'c' => {
                    let module = line(input)?;
                    check(&module, &line(input)?)?;
                }
                b'I' | b'L' | b'F' | b'g' | b'p' | b'P' => {
                    line(input)?;
                }
                b'V' => {
                    let text = line(input)?;
                    self.remember(text);
                }
                // STACK_GLOBAL takes its names from the stack. A file can hide them from this
                // look at the last two texts, which is only for the message: nothing is run.
                0x93 => check(&self.names[0], &self.names[1])?,
                0x8c | b'U' => self.text::<1>(input)?,
                b'X' | b'T' => self.text::<4>(input)?,
                0x8d => self.text::<8>(input)?,
                b'C' | 0x8a => skip_counted::<1>(input)?,
                b'B' | 0x8b => skip_counted::<4>(input)?,
                0x8e | 0x96 => skip_counted::<8>(input)?,
                0x80 | b'K' | b'h' | b'q' | 0x82 => skip(input, 1)?,
                b'M' | 0x83 => skip(input, 2)?,
                b'J' | b'j' | b'r' | 0x84 => skip(input, 4)?,
                b'G' | 0x95 => skip(input, 8)?,
                b'('
                | b'0'
                | b'1'
                | b'2'
                | b'N'
                | b'R'
                | b'b'
                | b'd'
                | b'l'
                | b't'
                | b's'
                | b'a'
                | b')'
                | b']'
                | b'}'
                | b'e'
                | b'u'
                | b'Q'
                | 0x81
                | 0x85..=0x89
                | 0x8f..=0x92
                | 0x94
                | 0x97
                | 0x98 => {}
                unknown => return Err(ScanError::UnknownOperation(unknown)),
            }
        }
    }

    fn text<const N: usize>(&mut self, input: &mut impl BufRead) -> Result<(), ScanError> {
        let length = length::<N>(input)?;
        if length > MAX_NAME_BYTES {
            skip(input, length)?;
        } else {
            let mut bytes = vec![0; length as usize];
            input.read_exact(&mut bytes)?;
            self.remember(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    }

    fn remember(&mut self, text: String) {
        self.names.swap(0, 1);
        self.names[1] = text;
    }
}

fn check(module: &str, name: &str) -> Result<(), ScanError> {
    let root = module.split('.').next().unwrap_or_default();
    let is_unsafe = match root {
        "builtins" | "__builtin__" => UNSAFE_BUILTINS.contains(&name),
        root => UNSAFE_MODULES.contains(&root),
    };
    if is_unsafe {
        return Err(ScanError::Unsafe(format!("{module}.{name}")));
    }
    Ok(())
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn length<const N: usize>(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&array::<N>(input)?);
    Ok(u64::from_le_bytes(bytes))
}

fn skip_counted<const N: usize>(input: &mut impl Read) -> io::Result<()> {
    let count = length::<N>(input)?;
    skip(input, count)
}

fn skip(input: &mut impl Read, count: u64) -> io::Result<()> {
    if io::copy(&mut input.take(count), &mut io::sink())? < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads a line, of which only the start is kept.
fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut text = Vec::new();
    input
        .by_ref()
        .take(MAX_NAME_BYTES)
        .read_until(b'\n', &mut text)?;
    if text.pop_if(|last| *last == b'\n').is_none() {
        input.skip_until(b'\n')?;
    }
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(mut bytes: &[u8]) -> Result<(), ScanError> {
        Scanner::default().scan(&mut bytes)
    }

    #[test]
    fn calls_of_programs_are_named_in_every_protocol() {
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
    fn the_walk_ends_behind_the_pickle() {
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
    fn lengths_beyond_the_end_are_an_early_end() {
        let ScanError::Io(error) = scan(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa").unwrap_err()
        else {
            panic!("expected an early end");
        };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
