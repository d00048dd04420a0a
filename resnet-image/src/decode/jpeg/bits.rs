//! The bits of entropy-coded data, and their Huffman codes.

/// The reason why entropy-coded data ends early.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The data ends inside a block or before it.
    Cut,
    /// The bits match no code.
    Damaged,
}

/// The bits between two markers, first bit first, without stuffed bytes.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, the first one on top; the unused low bits are zero.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            at: 0,
            buffer: 0,
            count: 0,
        }
    }

    /// Loads at least `wanted` bits, up to 57, if the data has as many.
    fn fill(&mut self, wanted: u32) {
        if self.count >= wanted {
            return;
        }
        if let Some(&word) = self.data.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_be_bytes(word);
            if !has_marker_byte(word) {
                let bytes = (64 - self.count) / 8;
                let kept = word & (u64::MAX << (64 - 8 * bytes));
                self.buffer |= kept >> self.count;
                self.count += 8 * bytes;
                self.at += bytes as usize;
                return;
            }
        }
        while self.count <= 56 {
            let Some(&byte) = self.data.get(self.at) else {
                return;
            };
            self.at += 1;
            if byte == 0xFF {
                // Skips the stuffed zero and any fill bytes before it.
                while self.data.get(self.at) == Some(&0xFF) {
                    self.at += 1;
                }
                self.at += 1;
            }
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Returns the next `count` bits, from 1 to 16. Missing bits are zero.
    fn peek(&self, count: u32) -> usize {
        (self.buffer >> (64 - count)) as usize
    }

    fn take(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.count {
            return Err(Fault::Cut);
        }
        self.buffer <<= count;
        self.count -= count;
        Ok(())
    }

    /// Skips any number of bits.
    pub(super) fn skip(&mut self, mut count: u32) -> Result<(), Fault> {
        while count > 0 {
            let step = count.min(32);
            self.fill(step);
            self.take(step)?;
            count -= step;
        }
        Ok(())
    }

    /// Reads the next `count` bits, up to 16.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, Fault> {
        if count == 0 {
            return Ok(0);
        }
        self.fill(count);
        let value = self.peek(count) as u32;
        self.take(count)?;
        Ok(value)
    }

    /// Returns the number of data bytes that hold the bits read so far.
    pub(super) fn consumed(&self) -> usize {
        let mut at = self.at.min(self.data.len());
        for _ in 0..self.count / 8 {
            at = at.saturating_sub(1);
            while at > 0 && self.data[at - 1] == 0xFF {
                at -= 1;
            }
        }
        at
    }
}

/// Returns whether one of the eight bytes is 0xFF.
fn has_marker_byte(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let zeros = !word;
    zeros.wrapping_sub(ONES) & !zeros & (ONES << 7) != 0
}

const LOOKAHEAD: u32 = 10;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next bits: the length and symbol of the code that they start with, or 0 if the code
    /// is longer.
    codes: Box<[(u8, u8); 1 << LOOKAHEAD]>,
    /// By the next bits, for sequential scans: the bits of code and value together, and the number
    /// of coefficients that they encode.
    steps: Box<[(u8, u8); 1 << LOOKAHEAD]>,
    /// Indexed by code length: the smallest 16-bit value above all values whose first bits are a
    /// code of at most this length.
    ends: [u32; 17],
    /// By length: the offset from a code to the index of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
    is_dc: bool,
}

/// A coefficient count that ends every block.
const ALL: u8 = 64;

impl Table {
    /// Creates a table with these numbers of codes of each length from 1 on. Returns `None` if the
    /// table is invalid.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8], is_dc: bool) -> Option<Self> {
        let mut table = Self {
            codes: Box::new([(0, 0); 1 << LOOKAHEAD]),
            steps: Box::new([(0, 0); 1 << LOOKAHEAD]),
            ends: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            is_dc,
        };
        table
            .symbols
            .get_mut(..symbols.len())?
            .copy_from_slice(symbols);
        if is_dc && symbols.iter().any(|&bits| bits > 15) {
            return None;
        }
        let (mut code, mut place) = (0u32, 0usize);
        for length in 1..=16 {
            let count = usize::from(counts[length as usize - 1]);
            table.offsets[length as usize] = place as i32 - code as i32;
            for &symbol in symbols.get(place..place + count)? {
                if code >= 1 << length {
                    return None;
                }
                if length <= LOOKAHEAD {
                    let first = (code << (LOOKAHEAD - length)) as usize;
                    let run = first..first + (1 << (LOOKAHEAD - length));
                    table.codes[run.clone()].fill((length as u8, symbol));
                    let (bits, coefficients) = table.step(symbol);
                    table.steps[run].fill((length as u8 + bits, coefficients));
                }
                code += 1;
            }
            place += count;
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// Returns the number of bits after a symbol of a sequential scan, and the number of
    /// coefficients that it encodes.
    fn step(&self, symbol: u8) -> (u8, u8) {
        match (symbol >> 4, symbol & 15) {
            _ if self.is_dc => (symbol, 1),
            (15, 0) => (0, 16),
            (_, 0) => (0, ALL),
            (run, bits) => (bits, run + 1),
        }
    }

    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Fault> {
        bits.fill(16);
        let (length, symbol) = self.codes[bits.peek(LOOKAHEAD)];
        if length > 0 {
            bits.take(length.into())?;
            return Ok(symbol);
        }
        let next = bits.peek(16) as u32;
        let longer = LOOKAHEAD as usize + 1..=16;
        let Some(length) = longer.into_iter().find(|&length| next < self.ends[length]) else {
            return Err(if bits.count < 16 {
                Fault::Cut
            } else {
                Fault::Damaged
            });
        };
        bits.take(length as u32)?;
        let code = (next >> (16 - length)) as i32;
        Ok(self.symbols[(code + self.offsets[length]) as usize & 255])
    }

    /// Skips a code of a sequential scan and its value. Returns the number of coefficients that
    /// they encode.
    fn pass(&self, bits: &mut Bits<'_>) -> Result<u8, Fault> {
        bits.fill(32);
        let (length, coefficients) = self.steps[bits.peek(LOOKAHEAD)];
        if length > 0 {
            bits.take(length.into())?;
            return Ok(coefficients);
        }
        let (length, coefficients) = self.step(self.symbol(bits)?);
        bits.skip(length.into())?;
        Ok(coefficients)
    }
}

/// Skips a block of a sequential scan.
pub(super) fn pass_block(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Result<(), Fault> {
    dc.pass(bits)?;
    let mut coefficient = 1;
    while coefficient < ALL {
        coefficient += ac.pass(bits)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates codes 0, 10, 110 and 1110 for 1, 2, 0 and 9, and a 12-bit code for 0xF0 (for DC, 3).
    fn table(is_dc: bool) -> Table {
        let counts = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let last = if is_dc { 3 } else { 0xF0 };
        Table::new(&counts, &[1, 2, 0, 9, last], is_dc).unwrap()
    }

    #[test]
    fn codes_of_every_length_are_found() {
        let mut bits = Bits::new(&[0b0101_1011, 0b1011_1100, 0b0000_0000]);
        let table = table(false);
        let symbols: Vec<u8> = (0..5).map(|_| table.symbol(&mut bits).unwrap()).collect();
        assert_eq!(symbols, [1, 2, 0, 9, 0xF0]);
        assert_eq!(bits.consumed(), 3);
        assert_eq!(
            table.symbol(&mut Bits::new(&[0xFF, 0, 0xFF, 0])),
            Err(Fault::Damaged)
        );
        assert_eq!(
            table.symbol(&mut Bits::new(&[0b1111_0000])),
            Err(Fault::Cut)
        );
    }

    #[test]
    fn stuffed_zeros_and_fill_bytes_are_not_bits() {
        let data = [
            0x12, 0xFF, 0x00, 0x34, 0xFF, 0xFF, 0x00, 0x56, 0x78, 0x9A, 0xBC, 0xDE,
        ];
        let mut bits = Bits::new(&data);
        let words: Vec<u32> = (0..5).map(|_| bits.read(8).unwrap()).collect();
        assert_eq!(words, [0x12, 0xFF, 0x34, 0xFF, 0x56]);
        assert_eq!(bits.consumed(), 8);
        bits.skip(33).unwrap_err();
    }

    #[test]
    fn tables_with_too_many_codes_are_an_error() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[0, 1, 2], false).is_none());
        counts = [0; 16];
        counts[1] = 4;
        assert!(Table::new(&counts, &[0, 1, 2], false).is_none());
        assert!(Table::new(&counts, &[0, 1, 2, 16], true).is_none());
    }
}
