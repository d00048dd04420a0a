//! The frame of a JPEG: its size, its components and their meaning.

use super::{DecodeError, FORMAT};
use crate::decode::canvas::Layout;

/// The meaning of the components, by libjpeg's rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::decode) enum Color {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
    /// Gray and alpha, only in TIFF.
    GrayAlpha,
    /// CMYK that is not inverted, only in TIFF.
    Inks,
}

impl Color {
    pub(in crate::decode) fn layout(self) -> Layout {
        match self {
            Self::Gray => Layout::Gray,
            Self::GrayAlpha => Layout::GrayAlpha,
            Self::YCbCr | Self::Rgb => Layout::Rgb,
            Self::Cmyk | Self::Ycck | Self::Inks => Layout::Cmyk,
        }
    }
}

/// The markers before the first scan that describe the colors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hints {
    jfif: bool,
    /// The transform of the last Adobe marker.
    adobe: Option<u8>,
}

impl Hints {
    pub(super) fn app0(&mut self, segment: &[u8]) {
        self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0");
    }

    pub(super) fn app14(&mut self, segment: &[u8]) {
        if segment.len() >= 12 && segment.starts_with(b"Adobe") {
            self.adobe = Some(segment[11]);
        }
    }
}

pub(super) struct Component {
    id: u8,
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) table: u8,
    /// The number of blocks in a scan of this component alone.
    pub(super) columns: usize,
    pub(super) rows: usize,
}

pub(super) struct Frame {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) is_progressive: bool,
    pub(super) components: Vec<Component>,
    /// The number of units in a scan of several components, and in one row of it.
    pub(super) units: usize,
    pub(super) units_across: usize,
}

impl Frame {
    /// Parses the segment after its length. If `known` is given, the segment must have its
    /// components.
    pub(super) fn parse(
        segment: &[u8],
        is_progressive: bool,
        known: Option<Color>,
    ) -> Result<Self, DecodeError> {
        let broken = |what: &str| DecodeError::broken(FORMAT, what);
        let Some((&[precision, h1, h0, w1, w0, count], rest)) = segment.split_first_chunk() else {
            return Err(broken("the frame header is too short"));
        };
        if precision != 8 {
            let what = format!("{precision} bits per sample");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
        let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
        if width == 0 || height == 0 {
            return Err(broken("the frame has no pixels"));
        }
        let fits = match known {
            Some(color) => usize::from(count) == color.layout().samples(),
            None => matches!(count, 1 | 3 | 4),
        };
        if !fits {
            let what = format!("{count} components");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
        let parts = rest.as_chunks::<3>().0;
        if parts.len() != usize::from(count) || rest.len() != 3 * parts.len() {
            return Err(broken(
                "the frame header does not have the length that its components need",
            ));
        }
        let mut components = Vec::with_capacity(parts.len());
        for &[id, factors, table] in parts {
            let (across, down) = (usize::from(factors >> 4), usize::from(factors & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(broken("a sampling factor is not between 1 and 4"));
            }
            // With one component, the sampling factors have no meaning.
            let (across, down) = if count == 1 { (1, 1) } else { (across, down) };
            components.push(Component {
                id,
                across,
                down,
                table,
                columns: 0,
                rows: 0,
            });
        }
        let most =
            |factor: fn(&Component) -> usize| components.iter().map(factor).max().unwrap_or(1);
        let (across, down) = (most(|c| c.across), most(|c| c.down));
        let (columns, rows) = (usize::from(width), usize::from(height));
        for component in &mut components {
            component.columns = (columns * component.across).div_ceil(8 * across);
            component.rows = (rows * component.down).div_ceil(8 * down);
        }
        let units_across = columns.div_ceil(8 * across);
        Ok(Self {
            width,
            height,
            is_progressive,
            components,
            units: units_across * rows.div_ceil(8 * down),
            units_across,
        })
    }

    /// Returns whether `zune-jpeg` upsamples this frame as libjpeg does. No component may have more
    /// samples than the first. No component with fewer samples may be so narrow that libjpeg
    /// repeats samples instead of interpolating.
    pub(super) fn is_plain(&self) -> bool {
        /// libjpeg's `jinit_upsampler` interpolates only wider components.
        const REPEATED: usize = 2;
        let first = &self.components[0];
        let (width, height) = (usize::from(self.width), usize::from(self.height));
        let is_wide = |other: &Component| {
            let columns = (width * other.across).div_ceil(first.across);
            let rows = (height * other.down).div_ceil(first.down);
            // A single sample gives the same pixel either way.
            let is_single = width == 1 && (other.down == first.down || rows == 1);
            other.across == first.across || columns > REPEATED || is_single
        };
        self.components.len() != 2
            && self.components.iter().all(|other| {
                let factors = [other.across, other.down];
                let fits = other.across <= first.across && other.down <= first.down;
                fits && is_wide(other) && factors.iter().all(|factor| factor.is_power_of_two())
            })
    }

    /// Returns whether a component has fewer columns than the first and is so narrow that its last
    /// column counts. `zune-jpeg` interpolates that column with the padding after it, libjpeg does
    /// not.
    pub(super) fn is_narrow(&self) -> bool {
        let first = &self.components[0];
        let is_subsampled = |other: &Component| other.across < first.across;
        self.width <= 16 && self.components.iter().any(is_subsampled)
    }

    /// Returns the color by the rules of libjpeg's `default_decompress_parms`.
    pub(super) fn color(&self, hints: Hints) -> Color {
        let ids: Vec<u8> = self
            .components
            .iter()
            .map(|component| component.id)
            .collect();
        match (&ids[..], hints) {
            ([_], _) => Color::Gray,
            ([_, _, _], Hints { jfif: true, .. }) => Color::YCbCr,
            (
                [_, _, _],
                Hints {
                    adobe: Some(transform),
                    ..
                },
            ) => match transform {
                0 => Color::Rgb,
                _ => Color::YCbCr,
            },
            (b"RGB", _) => Color::Rgb,
            ([_, _, _], _) => Color::YCbCr,
            (
                _,
                Hints {
                    adobe: None | Some(0),
                    ..
                },
            ) => Color::Cmyk,
            _ => Color::Ycck,
        }
    }

    /// Returns the index of the component that a scan names after `before` others.
    ///
    /// As in libjpeg, ids may repeat, but they must follow the order of the frame.
    pub(super) fn place(&self, id: u8, before: usize) -> Option<usize> {
        (before..self.components.len()).find(|&place| self.components[place].id == id)
    }

    /// Writes the segment with `ids` for its components.
    pub(super) fn write(&self, ids: &[u8; 4], out: &mut Vec<u8>) {
        let marker = if self.is_progressive { 0xC2 } else { 0xC1 };
        let count = self.components.len() as u8;
        out.extend([0xFF, marker, 0, 8 + 3 * count, 8]);
        out.extend(self.height.to_be_bytes());
        out.extend(self.width.to_be_bytes());
        out.push(count);
        for (component, id) in self.components.iter().zip(ids) {
            let factors = component.across << 4 | component.down;
            out.extend([*id, factors as u8, component.table]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ids: &[u8]) -> Frame {
        let mut segment = vec![8, 0, 20, 0, 30, ids.len() as u8];
        segment.extend(ids.iter().flat_map(|&id| [id, 0x11, 0]));
        Frame::parse(&segment, false, None).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn hints(jfif: bool, adobe: Option<u8>) -> Hints {
        Hints { jfif, adobe }
    }

    #[test]
    fn colors_follow_libjpeg() {
        let color = |ids: &[u8], jfif, adobe| frame(ids).color(hints(jfif, adobe));
        assert_eq!(color(b"R", false, Some(0)), Color::Gray);
        assert_eq!(color(b"RGB", true, Some(0)), Color::YCbCr);
        assert_eq!(color(b"RGB", false, Some(1)), Color::YCbCr);
        assert_eq!(color(b"RGB", false, None), Color::Rgb);
        assert_eq!(color(b"rgb", false, None), Color::YCbCr);
        assert_eq!(color(&[1, 2, 3], false, Some(0)), Color::Rgb);
        assert_eq!(color(&[1, 2, 3], false, Some(7)), Color::YCbCr);
        assert_eq!(color(&[1, 2, 3, 4], true, None), Color::Cmyk);
        assert_eq!(color(&[1, 2, 3, 4], true, Some(0)), Color::Cmyk);
        assert_eq!(color(&[1, 2, 3, 4], false, Some(1)), Color::Ycck);
        assert_eq!(color(&[1, 2, 3, 4], false, Some(2)), Color::Ycck);
    }

    #[test]
    fn short_markers_do_not_count() {
        let mut hints = Hints::default();
        hints.app0(b"JFIF\0\x01\x01");
        hints.app0(b"JFXX\0\x01\x01\0\0\0\0\0\0\0");
        hints.app14(b"Adobe\0d\0\0\0\0");
        assert!(!hints.jfif && hints.adobe.is_none());
        hints.app0(b"JFIF\0\x01\x01\0\0\0\0\0\0\0");
        hints.app14(b"Adobe\0d\0\0\0\0\x02");
        assert!(hints.jfif && hints.adobe == Some(2));
    }
}
