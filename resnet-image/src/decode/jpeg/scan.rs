//! A parser of the entropy-coded data of scans, which finds missing data without computing pixels.
//!
//! `zune-jpeg` in non-strict mode fills missing data with arbitrary pixels and reports no error
//! (<https://github.com/etemesi254/zune-image>).

use super::bits::{Bits, Fault, Table, pass_block};
use super::frame::Frame;
use super::planes::Planes;
use super::tables::Tables;

/// The number of missing bits of a coefficient that no scan has sent.
const NOTHING: u8 = u8::MAX;

/// The data that the scans so far have sent.
pub(super) struct Progress {
    components: Vec<Sent>,
}

struct Sent {
    /// By coefficient: the number of low bits still missing.
    missing: [u8; 64],
    /// By block: the nonzero coefficients. Empty until a progressive scan needs them.
    nonzero: Vec<u64>,
}

/// The header of a scan.
pub(super) struct Scan {
    /// The component indices in the frame, and the DC and AC tables.
    pub(super) components: Vec<(usize, usize, usize)>,
    pub(super) first: u8,
    pub(super) last: u8,
    pub(super) high: u8,
    pub(super) low: u8,
}

impl Progress {
    pub(super) fn new(components: usize) -> Self {
        let sent = || Sent {
            missing: [NOTHING; 64],
            nonzero: Vec::new(),
        };
        Self {
            components: (0..components).map(|_| sent()).collect(),
        }
    }

    /// Returns whether all bits of all coefficients were sent.
    pub(super) fn is_complete(&self) -> bool {
        let mut missing = self.components.iter().flat_map(|sent| sent.missing);
        missing.all(|bits| bits == 0)
    }

    /// Records what a scan sends. Returns `None` if its header is invalid or does not continue the
    /// earlier scans.
    pub(super) fn start(&mut self, scan: &Scan, frame: &Frame) -> Option<()> {
        let (first, last) = (usize::from(scan.first), usize::from(scan.last));
        let expected = if !frame.is_progressive {
            NOTHING
        } else {
            let alone = scan.components.len() == 1;
            let range = if first == 0 {
                last == 0
            } else {
                alone && first <= last && last < 64
            };
            if !range || scan.low > 13 || scan.high > 0 && scan.high != scan.low + 1 {
                return None;
            }
            if scan.high == 0 { NOTHING } else { scan.high }
        };
        // In sequential scans, the coefficient range of the header has no meaning.
        let (range, low) = match frame.is_progressive {
            true => (first..=last, scan.low),
            false => (0..=63, 0),
        };
        for &(place, ..) in &scan.components {
            let sent = &mut self.components[place];
            let continues = sent.missing[range.clone()]
                .iter()
                .all(|&bits| bits == expected);
            if !continues || first > 0 && frame.is_progressive && sent.missing[0] == NOTHING {
                return None;
            }
            sent.missing[range.clone()].fill(low);
            if frame.is_progressive && first > 0 && sent.nonzero.is_empty() {
                let component = &frame.components[place];
                sent.nonzero = vec![0; component.columns * component.rows];
            }
        }
        Some(())
    }
}

/// A pass over the units of a scan, from restart to restart.
pub(super) struct Walk<'a> {
    frame: &'a Frame,
    scan: &'a Scan,
    tables: &'a Tables,
    /// The planes for the samples, unless `zune-jpeg` decodes the image.
    planes: Option<&'a mut Planes>,
    /// The number of units before the current one.
    unit: usize,
    /// The number of empty blocks still to come.
    empty: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        frame: &'a Frame,
        scan: &'a Scan,
        tables: &'a Tables,
        planes: Option<&'a mut Planes>,
    ) -> Self {
        Self {
            frame,
            scan,
            tables,
            planes,
            unit: 0,
            empty: 0,
        }
    }

    /// Returns the number of units still to come.
    pub(super) fn left(&self) -> usize {
        let all = match self.scan.components[..] {
            [(place, ..)] => {
                let component = &self.frame.components[place];
                component.columns * component.rows
            }
            _ => self.frame.units,
        };
        all - self.unit
    }

    /// Parses this number of units, up to the next restart.
    pub(super) fn follow(
        &mut self,
        units: usize,
        bits: &mut Bits<'_>,
        progress: &mut Progress,
    ) -> Result<(), Fault> {
        let end = self.unit + units;
        self.empty = 0;
        if self.frame.is_progressive && self.scan.first > 0 {
            let (place, _, table) = self.scan.components[0];
            let table = self.tables.ac[table].as_ref().ok_or(Fault::Damaged)?;
            let nonzero = &mut progress.components[place].nonzero;
            for block in &mut nonzero[self.unit..end] {
                if self.scan.high == 0 {
                    self.first_coefficients(block, table, bits)?;
                } else {
                    self.refine_coefficients(block, table, bits)?;
                }
            }
        } else {
            if let Some(planes) = &mut self.planes {
                planes.restart();
            }
            for unit in self.unit..end {
                self.unit(unit, bits)?;
            }
        }
        self.unit = end;
        Ok(())
    }

    fn unit(&mut self, unit: usize, bits: &mut Bits<'_>) -> Result<(), Fault> {
        let alone = self.scan.components.len() == 1;
        for &(place, dc, ac) in &self.scan.components {
            let component = &self.frame.components[place];
            let (across, down) = if alone {
                (1, 1)
            } else {
                (component.across, component.down)
            };
            if self.frame.is_progressive && self.scan.high > 0 {
                bits.skip((across * down) as u32)?;
                continue;
            }
            let dc = self.tables.dc[dc].as_ref().ok_or(Fault::Damaged)?;
            if self.frame.is_progressive {
                for _ in 0..across * down {
                    let length = dc.symbol(bits)?;
                    bits.skip(length.into())?;
                }
                continue;
            }
            let ac = self.tables.ac[ac].as_ref().ok_or(Fault::Damaged)?;
            let Some(planes) = &mut self.planes else {
                for _ in 0..across * down {
                    pass_block(bits, dc, ac)?;
                }
                continue;
            };
            let units = if alone {
                component.columns
            } else {
                self.frame.units_across
            };
            let corner = (unit % units * across, unit / units * down);
            for block in 0..across * down {
                let at = (corner.0 + block % across, corner.1 + block / across);
                planes.block(place, at, bits, (dc, ac))?;
            }
        }
        Ok(())
    }

    /// Parses a first scan of coefficients and marks the nonzero ones.
    fn first_coefficients(
        &mut self,
        block: &mut u64,
        table: &Table,
        bits: &mut Bits<'_>,
    ) -> Result<(), Fault> {
        if self.empty > 0 {
            self.empty -= 1;
            return Ok(());
        }
        let (mut at, last) = (u32::from(self.scan.first), u32::from(self.scan.last));
        while at <= last {
            let symbol = table.symbol(bits)?;
            let (run, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if length > 0 {
                at += run;
                bits.skip(length)?;
                *block |= 1u64.checked_shl(at).unwrap_or(0);
                at += 1;
            } else if run == 15 {
                at += 16;
            } else {
                self.empty = (1 << run) - 1 + bits.read(run)? as usize;
                break;
            }
        }
        Ok(())
    }

    /// Parses a refinement scan: a bit for each nonzero coefficient, and new coefficients in
    /// between.
    fn refine_coefficients(
        &mut self,
        block: &mut u64,
        table: &Table,
        bits: &mut Bits<'_>,
    ) -> Result<(), Fault> {
        let (mut at, last) = (u32::from(self.scan.first), u32::from(self.scan.last));
        if self.empty == 0 {
            while at <= last {
                let symbol = table.symbol(bits)?;
                let (mut run, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                if length > 0 {
                    bits.skip(1)?;
                } else if run < 15 {
                    self.empty = (1 << run) + bits.read(run)? as usize;
                    break;
                }
                while at <= last {
                    if *block >> at & 1 == 1 {
                        bits.skip(1)?;
                    } else if run == 0 {
                        break;
                    } else {
                        run -= 1;
                    }
                    at += 1;
                }
                if length > 0 && at <= last {
                    *block |= 1 << at;
                }
                at += 1;
            }
        }
        if self.empty > 0 {
            if at <= last {
                let rest = *block >> at & (u64::MAX >> (63 - (last - at)));
                bits.skip(rest.count_ones())?;
            }
            self.empty -= 1;
        }
        Ok(())
    }
}
