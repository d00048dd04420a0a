//! The Huffman and quantization tables of a JPEG.

use super::DecodeError;
use super::bits::Table;
use super::source::broken;
use super::standard;

/// The current tables.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Table>; 4],
    pub(super) ac: [Option<Table>; 4],
    /// In scan order.
    pub(super) quantization: [Option<[u16; 64]>; 4],
}

impl Tables {
    /// Reads a segment of Huffman tables.
    pub(super) fn huffman(&mut self, mut segment: &[u8]) -> Result<(), DecodeError> {
        let wrong = || broken("a Huffman table is not valid");
        while !segment.is_empty() {
            let (&[kind, ref counts @ ..], rest) =
                segment.split_first_chunk::<17>().ok_or_else(wrong)?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols).ok_or_else(wrong)?;
            let is_dc = kind >> 4 == 0;
            let tables = if is_dc { &mut self.dc } else { &mut self.ac };
            let table = tables
                .get_mut(usize::from(kind & 15))
                .filter(|_| kind >> 4 < 2);
            *table.ok_or_else(wrong)? = Some(Table::new(counts, symbols, is_dc).ok_or_else(wrong)?);
            segment = rest;
        }
        Ok(())
    }

    /// Reads a segment of quantization tables.
    pub(super) fn quantization(&mut self, mut segment: &[u8]) -> Result<(), DecodeError> {
        let wrong = || broken("a quantization table is not valid");
        while let Some((&kind, rest)) = segment.split_first() {
            let table = self
                .quantization
                .get_mut(usize::from(kind & 15))
                .ok_or_else(wrong)?;
            let mut values = [0; 64];
            let size = if kind >> 4 == 0 { 1 } else { 2 };
            let (bytes, rest) = rest.split_at_checked(64 * size).ok_or_else(wrong)?;
            for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(size)) {
                *value = bytes
                    .iter()
                    .fold(0, |value, &byte| value << 8 | u16::from(byte));
            }
            *table = Some(values);
            segment = rest;
        }
        Ok(())
    }

    /// Adds the standard tables that a sequential image lacks, such as a Motion JPEG frame, as
    /// libjpeg does.
    pub(super) fn fill(&mut self, out: &mut Vec<u8>) {
        for (place, (is_dc, counts, symbols)) in standard::TABLES.into_iter().enumerate() {
            let tables = if is_dc { &mut self.dc } else { &mut self.ac };
            let table = &mut tables[place % 2];
            if table.is_none() {
                *table = Table::new(&counts, symbols, is_dc);
                let kind = (u8::from(!is_dc) << 4) | (place % 2) as u8;
                out.extend([0xFF, 0xC4, 0, (2 + 17 + symbols.len()) as u8, kind]);
                out.extend(counts);
                out.extend(symbols);
            }
        }
    }
}
