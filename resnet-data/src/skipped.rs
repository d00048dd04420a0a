//! Counts of files without an image file extension.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use resnet_image::foreign_image_ending;

/// Counts of the files that were skipped because they do not have an image file extension. Hidden
/// files are not counted.
///
/// ```
/// let mut skipped = resnet_data::Skipped::default();
/// ["a.txt", "b.TXT", "c.heic"].map(|name| skipped.add(name.as_ref()));
/// assert_eq!(
///     skipped.to_string(),
///     "3 files skipped: 2 .txt, 1 .heic (HEIC images are not supported; convert them to PNG or JPEG)"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Counts by file extension in lower case. Files without an extension have the empty one.
    endings: BTreeMap<String, usize>,
    /// The images that lie beside the class folders.
    beside: usize,
}

impl Skipped {
    /// Counts a file by its extension.
    pub fn add(&mut self, path: &Path) {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        *self.endings.entry(ending.to_ascii_lowercase()).or_default() += 1;
    }

    /// Counts an image that lies beside the class folders.
    pub(crate) fn add_beside(&mut self) {
        self.beside += 1;
    }

    /// Adds the counts of another instance.
    pub fn merge(&mut self, other: &Self) {
        for (ending, count) in &other.endings {
            *self.endings.entry(ending.clone()).or_default() += count;
        }
        self.beside += other.beside;
    }

    /// Returns the number of files.
    pub fn total(&self) -> usize {
        self.endings.values().sum::<usize>() + self.beside
    }

    /// Returns whether no file was skipped.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Returns the extensions with their counts, in lower case and without the dot. Files without
    /// an extension have the empty one.
    pub fn by_ending(&self) -> impl Iterator<Item = (&str, usize)> {
        let endings = self.endings.iter();
        endings.map(|(ending, &count)| (ending.as_str(), count))
    }
}

/// Formats one line: the total, the most frequent extensions, and the formats that are not
/// supported.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        let total = self.total();
        write!(
            f,
            "{total} {} skipped: ",
            if total == 1 { "file" } else { "files" }
        )?;
        let mut endings: Vec<_> = self.by_ending().collect();
        endings.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let mut parts: Vec<String> = endings
            .iter()
            .take(SHOWN)
            .map(|&(ending, count)| match ending {
                "" => format!("{count} without an extension"),
                ending => format!("{count} .{ending}"),
            })
            .collect();
        let others = endings.iter().skip(SHOWN);
        match others.map(|&(_, count)| count).sum() {
            0 => {}
            count => parts.push(format!("{count} with other extensions")),
        }
        if self.beside > 0 {
            let images = if self.beside == 1 { "image" } else { "images" };
            parts.push(format!("{} {images} beside the class folders", self.beside));
        }
        f.write_str(&parts.join(", "))?;
        let foreign = |ending: &String| foreign_image_ending(format!("x.{ending}"));
        let foreign: BTreeSet<&str> = self.endings.keys().filter_map(foreign).collect();
        let foreign: Vec<&str> = foreign.into_iter().collect();
        match foreign.as_slice() {
            [] => Ok(()),
            names => write!(
                f,
                " ({} images are not supported; convert them to PNG or JPEG)",
                names.join(" and ")
            ),
        }
    }
}
