//! JSON arrays in COCO's result format.

use std::collections::BTreeSet;
use std::io::{self, StdoutLock, Write};

use anyhow::Result;
use resnet_cli::{json, note};
use resnet_weights::CategoryIds;
use serde::Serialize;

use crate::images::Source;

/// An array of results on standard output, written one result at a time.
pub(crate) struct Results<'a> {
    out: StdoutLock<'static>,
    empty: bool,
    image_ids: Vec<u64>,
    category_ids: Option<&'a CategoryIds>,
}

impl<'a> Results<'a> {
    /// Starts the array. Without category ids, class indices take their place.
    pub(crate) fn new(sources: &[Source], category_ids: Option<&'a CategoryIds>) -> Result<Self> {
        let image_ids = image_ids(sources);
        let mut out = io::stdout().lock();
        out.write_all(b"[")?;
        Ok(Self {
            out,
            empty: true,
            image_ids,
            category_ids,
        })
    }

    /// Returns the id of the image at this position, from 0.
    pub(crate) fn image_id(&self, index: usize) -> u64 {
        let id = self.image_ids.get(index);
        id.copied().unwrap_or(index as u64 + 1)
    }

    /// Returns the category id of a class, or `None` if the file of weights gives it none.
    pub(crate) fn category_id(&self, class: usize) -> Option<u64> {
        match self.category_ids {
            Some(ids) => ids.get(class),
            None => Some(class as u64),
        }
    }

    /// Notes that the array contains no results of an image with an error.
    pub(crate) fn note_error(&self, source: &Source, error: Option<&str>) {
        if let Some(error) = error {
            note(&format!("`{source}`: left out: {error}"));
        }
    }

    pub(crate) fn push(&mut self, result: &impl Serialize) -> Result<()> {
        let start = if self.empty { "\n" } else { ",\n" };
        self.empty = false;
        write!(self.out, "{start}{}", json(result)?)?;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.out.write_all(b"\n]\n")?;
        self.out.flush()?;
        Ok(())
    }
}

/// Returns the name of a file without its folders, or `-` for standard input.
pub(crate) fn file_name(source: &Source) -> String {
    let name = match source {
        Source::File(path) | Source::Unreadable(path, _) => path.file_name(),
        Source::Stdin => None,
    };
    let name = name.map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| source.to_string())
}

/// Returns the ids of the images: the numbers in their file names, as in COCO, if all names are
/// different numbers. Otherwise the ids are the positions of the images, from 1.
fn image_ids(sources: &[Source]) -> Vec<u64> {
    let numbers: Vec<u64> = sources.iter().filter_map(number).collect();
    let different: BTreeSet<u64> = numbers.iter().copied().collect();
    if different.len() == sources.len() {
        return numbers;
    }
    if !numbers.is_empty() {
        note(
            "expected a different number in each file name, found other names or equal numbers: \
             image ids are the positions of the images, from 1",
        );
    }
    (1..=sources.len() as u64).collect()
}

/// Returns the number in the file name `000000000139.jpg`.
fn number(source: &Source) -> Option<u64> {
    let name = file_name(source);
    name.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_ids_are_numbers_only_if_all_names_are_different_numbers() {
        let ids = |names: &[&str]| {
            let sources = names.iter().map(|name| Source::File(name.into()));
            image_ids(&sources.collect::<Vec<_>>())
        };
        assert_eq!(ids(&["a/000000000139.jpg", "a/2.png"]), [139, 2]);
        // `2.png` would have the id of the second image.
        assert_eq!(ids(&["2.png", "cat.png"]), [1, 2]);
        assert_eq!(ids(&["a/7.png", "b/7.png"]), [1, 2]);
        assert_eq!(ids(&["cat.png", "dog.png", "fox.png"]), [1, 2, 3]);
        let broken = Source::Unreadable("a/3.png".into(), "no permission".into());
        assert_eq!(image_ids(&[broken, Source::File("4.png".into())]), [3, 4]);
    }
}
