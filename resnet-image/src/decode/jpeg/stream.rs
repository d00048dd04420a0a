//! A checker and rewriter of JPEG streams. It reads the segments, checks that the image is
//! complete, and writes a new stream with only the data that affects pixels. The new stream states
//! its colors so that `zune-jpeg` cannot misinterpret them.

use super::bits::{Bits, Fault};
use super::frame::{Color, Frame, Hints};
use super::planes::Planes;
use super::scan::{Progress, Scan, Walk};
use super::source::{CUT, Source, broken};
use super::tables::Tables;
use super::{DecodeError, FORMAT, Job, MAX_SCANS};

/// Bytes for segments that the file may lack: standard tables and restart intervals.
const ROOM: usize = 1024;

const END_OF_IMAGE: u8 = 0xD9;

/// A JPEG without metadata, misplaced restart markers or data outside blocks.
pub(super) struct Stream {
    pub(super) data: Vec<u8>,
    pub(super) frame: Frame,
    pub(super) color: Color,
    /// The samples, unless `zune-jpeg` decodes the image.
    pub(super) planes: Option<Planes>,
}

impl Stream {
    /// Reads a JPEG. `known` is the meaning of its components; without it, the markers define the
    /// meaning.
    pub(super) fn read(
        job: &mut Job,
        bytes: &[u8],
        known: Option<Color>,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader {
            source: Source { bytes, at: 2 },
            out: Vec::with_capacity(bytes.len() + ROOM),
            hints: Hints::default(),
            tables: Tables::default(),
            restart: 0,
            scans: 0,
            image: None,
            known,
        };
        reader.out.extend([0xFF, 0xD8]);
        loop {
            let marker = reader.source.marker().ok_or(CUT)?;
            if marker == END_OF_IMAGE {
                break;
            }
            reader.segment(marker, job)?;
        }
        let Some(image) = reader.image else {
            return Err(broken("there is no frame"));
        };
        // There is no scan, or the scans lack some coefficients.
        if !image.progress.is_complete() {
            return Err(CUT);
        }
        let mut data = reader.out;
        data.extend([0xFF, END_OF_IMAGE]);
        Ok(Self {
            data,
            frame: image.frame,
            color: image.color,
            planes: image.planes,
        })
    }
}

struct Reader<'a> {
    source: Source<'a>,
    out: Vec<u8>,
    hints: Hints,
    tables: Tables,
    restart: usize,
    scans: usize,
    image: Option<Image>,
    known: Option<Color>,
}

struct Image {
    frame: Frame,
    color: Color,
    progress: Progress,
    planes: Option<Planes>,
}

impl Reader<'_> {
    fn segment(&mut self, marker: u8, job: &mut Job) -> Result<(), DecodeError> {
        match marker {
            // Markers without a segment: TEM, and restart markers without meaning here.
            0x01 | 0xD0..=0xD7 => return Ok(()),
            0xD8 => return Err(broken("a second image begins inside the first")),
            0xC3 | 0xC5..=0xC7 | 0xCB | 0xCD..=0xCF => {
                let what = "lossless, hierarchical or arithmetic coding";
                return Err(DecodeError::unsupported(FORMAT, what));
            }
            0xC9 | 0xCA => return Err(DecodeError::unsupported(FORMAT, "arithmetic coding")),
            _ => {}
        }
        let start = self.source.at;
        let segment = self.source.segment()?;
        let whole = &self.source.bytes[start..self.source.at];
        match marker {
            0xC0..=0xC2 => {
                if self.image.is_some() {
                    return Err(broken("there is a second frame"));
                }
                let frame = Frame::parse(segment, marker == 0xC2, self.known)?;
                job.check(frame.width.into(), frame.height.into())?;
                self.image = Some(Image {
                    progress: Progress::new(frame.components.len()),
                    color: Color::Gray,
                    frame,
                    planes: None,
                });
            }
            0xC4 => {
                self.tables.huffman(segment)?;
                self.copy(marker, whole);
            }
            0xDA => self.scan(segment, job)?,
            0xDB => {
                self.tables.quantization(segment)?;
                self.copy(marker, whole);
            }
            0xDD => {
                let interval = segment.first_chunk().filter(|_| segment.len() == 2);
                let interval =
                    interval.ok_or_else(|| broken("a restart interval does not have 2 bytes"))?;
                self.restart = u16::from_be_bytes(*interval).into();
            }
            0xE0 => self.hints.app0(segment),
            0xEE => self.hints.app14(segment),
            _ => {}
        }
        Ok(())
    }

    fn copy(&mut self, marker: u8, segment: &[u8]) {
        self.out.extend([0xFF, marker]);
        self.out.extend(segment);
    }

    fn scan(&mut self, segment: &[u8], job: &mut Job) -> Result<(), DecodeError> {
        let Some(mut image) = self.image.take() else {
            return Err(broken("a scan precedes the frame"));
        };
        let frame = &image.frame;
        let scan = read_scan(segment, frame)?;
        self.scans += 1;
        if self.scans > MAX_SCANS {
            let what = format!("more than {MAX_SCANS} scans");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
        if self.scans == 1 {
            image.color = self.known.unwrap_or_else(|| frame.color(self.hints));
            let is_whole = scan.components.len() == frame.components.len();
            let is_exact = frame.is_progressive || is_whole && !frame.is_narrow();
            let is_left_to_decoder = frame.is_plain() && is_exact;
            if !is_left_to_decoder && frame.is_progressive {
                let what = "progressive coding with unusual sampling factors or narrow chroma";
                return Err(DecodeError::unsupported(FORMAT, what));
            }
            reserve(job, frame, is_left_to_decoder, self.source.bytes.len())?;
            if !is_left_to_decoder {
                image.planes = Some(Planes::new(frame)?);
            }
            frame.write(ids(image.color), &mut self.out);
            if !frame.is_progressive {
                self.tables.fill(&mut self.out);
            }
        }
        let fits = image.progress.start(&scan, frame);
        fits.ok_or_else(|| broken("a scan does not continue the previous scans"))?;
        if let Some(planes) = &mut image.planes {
            for &(place, ..) in &scan.components {
                let table = usize::from(frame.components[place].table);
                planes.start(
                    place,
                    self.tables.quantization.get(table).copied().flatten(),
                );
            }
        }
        self.write_scan_header(&scan, ids(image.color));
        let walk = Walk::new(frame, &scan, &self.tables, image.planes.as_mut());
        follow(
            walk,
            &mut self.source,
            self.restart,
            &mut image.progress,
            &mut self.out,
        )?;
        self.image = Some(image);
        Ok(())
    }

    fn write_scan_header(&mut self, scan: &Scan, ids: &[u8; 4]) {
        // `zune-jpeg` starts a new restart interval only with this segment.
        let [high, low] = (self.restart as u16).to_be_bytes();
        self.out.extend([0xFF, 0xDD, 0, 4, high, low]);
        let count = scan.components.len() as u8;
        self.out.extend([0xFF, 0xDA, 0, 6 + 2 * count, count]);
        for &(place, dc, ac) in &scan.components {
            self.out.extend([ids[place], (dc << 4 | ac) as u8]);
        }
        self.out
            .extend([scan.first, scan.last, scan.high << 4 | scan.low]);
    }
}

/// Returns the component ids that tell `zune-jpeg` whether three components are RGB.
fn ids(color: Color) -> &'static [u8; 4] {
    match color {
        Color::Rgb => b"RGB\0",
        _ => &[1, 2, 3, 4],
    }
}

fn read_scan(segment: &[u8], frame: &Frame) -> Result<Scan, DecodeError> {
    let wrong = || broken("a scan header is not valid");
    let (&count, rest) = segment.split_first().ok_or_else(wrong)?;
    let count = usize::from(count);
    let (named, rest) = rest.split_at_checked(2 * count).ok_or_else(wrong)?;
    let &[first, last, bits] = rest else {
        return Err(wrong());
    };
    let mut components: Vec<(usize, usize, usize)> = Vec::with_capacity(4);
    for &[id, tables] in named.as_chunks().0 {
        let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        let place = frame
            .place(id, components.len())
            .filter(|_| dc < 4 && ac < 4)
            .ok_or_else(wrong)?;
        if components.iter().any(|&(other, ..)| other == place) {
            return Err(wrong());
        }
        components.push((place, dc, ac));
    }
    if components.is_empty() {
        return Err(wrong());
    }
    let (high, low) = (bits >> 4, bits & 15);
    Ok(Scan {
        components,
        first,
        last,
        high,
        low,
    })
}

/// Parses a scan to its end and writes the data of its blocks.
fn follow(
    mut walk: Walk<'_>,
    source: &mut Source<'_>,
    restart: usize,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    for number in (0..8).cycle() {
        let end = source.next_marker().ok_or(CUT)?;
        let data = &source.bytes[source.at..end];
        let mut bits = Bits::new(data);
        let units = if restart > 0 {
            walk.left().min(restart)
        } else {
            walk.left()
        };
        walk.follow(units, &mut bits, progress)
            .map_err(|fault| match fault {
                Fault::Cut => CUT,
                Fault::Damaged => broken("the entropy-coded data contains an invalid code"),
            })?;
        out.extend(&data[..bits.consumed()]);
        source.at = end;
        if walk.left() == 0 {
            break;
        }
        // If another marker follows, libjpeg guesses the missing data.
        if source.marker() != Some(0xD0 + number) {
            return Err(CUT);
        }
        out.extend([0xFF, 0xD0 + number]);
    }
    Ok(())
}

/// Reserves the memory of the decoder: blocks, result, and the rewritten data.
fn reserve(
    job: &mut Job,
    frame: &Frame,
    is_left_to_decoder: bool,
    bytes: usize,
) -> Result<(), DecodeError> {
    let size = (frame.width.into(), frame.height.into());
    let components = frame.components.len() as u64;
    let blocks = match frame.is_progressive {
        // 16 bits per coefficient, and one bit that marks it as nonzero.
        true => 2 * components + 1,
        false => u64::from(!is_left_to_decoder) * components,
    };
    let rows = 64 * 4 * components * u64::from(size.0);
    job.reserve(size, blocks + components, rows + bytes as u64)
}
