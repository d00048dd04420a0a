//! Counts the fields of an ONNX file before onnx-ir builds its structures.

/// The limit of fields. A message of two bytes becomes a structure of several hundred bytes, so
/// that a file of 100 MB could take 20 GB. The largest networks of this zoo have a quarter of this
/// number.
const MAX_FIELDS: usize = 1 << 20;

/// The reason why a file is not passed to onnx-ir.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    CutShort,
    Damaged(String),
    TooManyFields,
    /// A feature that exported networks do not use.
    Foreign(&'static str),
}

#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Shape,
    /// A message without nested messages.
    Leaf,
}

enum Part {
    Message(Message),
    Refused(&'static str),
    Plain,
}

impl Message {
    /// Returns the kind of a field by its number in `onnx.proto`.
    fn part(self, field: u64) -> Part {
        use Part::{Plain, Refused};
        Part::Message(match (self, field) {
            (Message::Model, 7) => Message::Graph,
            (Message::Model, 8 | 14) => Message::Leaf,
            (Message::Model, 20) => return Refused("a graph for training"),
            (Message::Model, 25) => return Refused("custom functions"),
            (Message::Model, 26) | (Message::Node, 10) => {
                return Refused("a configuration for several devices");
            }
            (Message::Graph, 1) => Message::Node,
            (Message::Graph, 5) => Message::Tensor,
            (Message::Graph, 11..=13) => Message::Value,
            (Message::Graph, 14) => return Refused("quantized tensors"),
            (Message::Graph, 15) | (Message::Attribute, 22 | 23) => {
                return Refused("sparse tensors");
            }
            (Message::Graph, 16) | (Message::Node, 9) | (Message::Value, 4) => Message::Leaf,
            (Message::Tensor, 3 | 13 | 16) | (Message::Shape, 1) => Message::Leaf,
            (Message::Node, 5) => Message::Attribute,
            (Message::Attribute, 5 | 10) => Message::Tensor,
            (Message::Attribute, 6 | 11) => return Refused("a node with a subgraph"),
            (Message::Attribute, 14 | 15) | (Message::Type, 4 | 5 | 7 | 8 | 9) => {
                return Refused("values that are not tensors");
            }
            (Message::Value, 2) => Message::Type,
            (Message::Type, 1) => Message::TensorType,
            (Message::TensorType, 2) => Message::Shape,
            _ => return Plain,
        })
    }
}

/// Checks whether the file can be passed to onnx-ir.
pub(super) fn check(file: &[u8]) -> Result<(), Refusal> {
    let mut fields = 0;
    scan(Message::Model, file, &mut fields)
}

/// Scans a message recursively. No `Message` contains itself, so the depth is bounded.
fn scan(message: Message, mut bytes: &[u8], fields: &mut usize) -> Result<(), Refusal> {
    while !bytes.is_empty() {
        *fields += 1;
        if *fields > MAX_FIELDS {
            return Err(Refusal::TooManyFields);
        }
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => drop(varint(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            2 => {
                let length = varint(&mut bytes)?;
                let content = take(&mut bytes, length)?;
                match message.part(tag >> 3) {
                    Part::Message(inner) => scan(inner, content, fields)?,
                    Part::Refused(found) => return Err(Refusal::Foreign(found)),
                    Part::Plain => {}
                }
            }
            kind => {
                return Err(Refusal::Damaged(format!(
                    "a field of the unknown kind {kind}"
                )));
            }
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Refusal> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(Refusal::CutShort)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Refusal::Damaged("a number of more than ten bytes".into()))
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Refusal> {
    let length = usize::try_from(length).map_err(|_| Refusal::CutShort)?;
    let (content, rest) = bytes.split_at_checked(length).ok_or(Refusal::CutShort)?;
    *bytes = rest;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_would_take_far_more_memory_are_refused() {
        // A graph (field 7) of empty nodes (field 1).
        let mut graph = vec![0x3a];
        let nodes = [0x0a, 0].repeat(MAX_FIELDS);
        let mut length = nodes.len();
        while length >= 0x80 {
            graph.push(length as u8 | 0x80);
            length >>= 7;
        }
        graph.push(length as u8);
        graph.extend(nodes);
        assert_eq!(check(&graph), Err(Refusal::TooManyFields));
    }

    #[test]
    fn lengths_beyond_the_end_and_unknown_kinds_are_refused() {
        assert_eq!(check(&[0x08, 0x0a, 0x3a, 0x00]), Ok(()));
        assert_eq!(check(&[0x08]), Err(Refusal::CutShort));
        assert_eq!(check(&[0x3a, 0x05, 0x0a]), Err(Refusal::CutShort));
        assert_eq!(
            check(&[0x3a, 0x04, 0x7a, 0x02, 0x0a, 0x00]),
            Err(Refusal::Foreign("sparse tensors"))
        );
        assert!(matches!(check(&[0x0b, 0x0c]), Err(Refusal::Damaged(_))));
        assert!(matches!(check(&[0xff; 12]), Err(Refusal::Damaged(_))));
    }
}
