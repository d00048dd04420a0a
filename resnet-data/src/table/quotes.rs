//! Unclosed quotes, which swallow the following rows.

use std::path::Path;

use crate::dataset::DataError;

/// The position of a character in a cell.
#[derive(Clone, Copy)]
enum Place {
    /// Before the first character.
    Start,
    /// In a cell without quotes.
    Plain,
    /// After the opening quote of a cell.
    Quoted,
    /// After the next quote, which closes the cell unless another quote follows.
    Closed,
    /// In the spaces after a quoted cell.
    After,
}

/// Returns the line of the first opening quote that is not closed. A quote is not closed if no
/// other quote follows, or if the next quote is in another row and has text after it.
pub(super) fn unclosed(text: &str, separator: u8) -> Option<u64> {
    use Place as P;
    let (mut line, mut opened) = (1, 0);
    let mut place = P::Start;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        let ends_line = byte == b'\n' || (byte == b'\r' && bytes.peek() != Some(&b'\n'));
        place = match (place, byte) {
            (P::Quoted, b'"') => P::Closed,
            (P::Quoted, _) | (P::Closed, b'"') => P::Quoted,
            (P::Start, b'"') => {
                opened = line;
                P::Quoted
            }
            (_, b'\n' | b'\r') => P::Start,
            (_, byte) if byte == separator => P::Start,
            (P::Closed | P::After, b' ' | b'\t') => P::After,
            (P::Closed | P::After, _) if opened != line => return Some(opened),
            _ => P::Plain,
        };
        line += u64::from(ends_line);
    }
    matches!(place, P::Quoted).then_some(opened)
}

/// Returns whether a cell seems to contain whole rows, because a quote in a later row closed it.
pub(super) fn has_rows(cell: &str, separator: u8) -> bool {
    let mut lines = cell.split(['\n', '\r']).skip(1);
    lines.any(|line| line.contains(char::from(separator)))
}

pub(super) fn error(path: &Path, line: u64) -> DataError {
    DataError::Unclear {
        path: path.into(),
        expected: format!("a closing quote (`\"`) for the quoted cell in line {line}"),
        found: "none in that row".into(),
        advice:
            "close the cell, or write `\"\"` in a quoted cell for a quote that belongs to its text"
                .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unclosed_quotes_are_found() {
        for (text, line) in [
            ("a,b\n1,\"x\n2,y\n", Some(2)),
            ("a,b\n1,\"x\n2,y\n3,\"z\n", Some(2)),
            ("a,b\n1,\"x\n2,\"y\"\n", Some(2)),
            ("\"", Some(1)),
            ("a,b\r\n1,\"\"\"\r\n2,y\r\n", Some(2)),
            ("a,b\r1,\"x\r2,\"y\"\r", Some(2)),
            ("a,b\r\n1,\"x\r\n2,\"y\"\r\n", Some(2)),
            // Quotes that are closed, doubled, around line breaks, or in the middle of a cell.
            ("a,\"b\"\n1,\"x \"\"y\"\"\"\n", None),
            ("a,\"b\nc\" ,d\n1,\"\",x\n", None),
            ("a,5\" disk\n1,\"x\"y\n2,z", None),
            ("", None),
        ] {
            assert_eq!(unclosed(text, b','), line, "{text:?}");
        }
        assert_eq!(unclosed("a;\"b\n1;c", b';'), Some(1));
        assert!(has_rows("r\n1.png,g\n", b',') && !has_rows("r,1\n2\n", b','));
    }
}
