//! Finds the cells of a table that name files.

use std::path::Path;

use resnet_image::IMAGE_ENDINGS;

use super::rows::Row;

/// The maximum number of file system lookups to find a column.
const QUESTIONS: usize = 200_000;

/// The maximum number of rows to look up.
const MOST_ROWS: usize = 10_000;

/// Returns whether a cell names a file or a broken link.
pub(super) fn is_file(folder: &Path, cell: &str) -> bool {
    !cell.is_empty()
        && folder
            .join(cell)
            .symlink_metadata()
            .is_ok_and(|found| found.is_symlink() || !found.is_dir())
}

/// Returns the columns in which any row names a file.
pub(super) fn columns(folder: &Path, rows: &[Row], columns: usize) -> Vec<usize> {
    let most = (QUESTIONS / columns.max(1)).clamp(1, MOST_ROWS);
    let has_files = |&column: &usize| {
        let mut rows = rows.iter().take(most);
        rows.any(|row| is_file(folder, row.cell(column)))
    };
    (0..columns).filter(has_files).collect()
}

/// Returns whether any row names a file in a column.
pub(super) fn has_any(folder: &Path, rows: &[Row], column: usize) -> bool {
    let mut rows = rows.iter().take(MOST_ROWS);
    rows.any(|row| is_file(folder, row.cell(column)))
}

/// Returns advice on how to turn the first cells of some columns into paths of existing files, if
/// possible.
pub(super) fn near_miss(folder: &Path, rows: &[Row], columns: &[usize]) -> Option<String> {
    let rows = rows.iter().take(3);
    let mut cells = rows.flat_map(|row| columns.iter().map(|&column| row.cell(column)));
    cells.find_map(|cell| near(folder, cell))
}

fn near(folder: &Path, cell: &str) -> Option<String> {
    if cell.is_empty() {
        return None;
    }
    let forward = cell.replace('\\', "/");
    if forward != cell && is_file(folder, &forward) {
        return Some(format!("write `{forward}` in place of `{cell}`"));
    }
    let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let inside = inside.filter(|entry| entry.path().is_dir()).take(50);
    let inside = inside.map(|entry| entry.file_name().to_string_lossy().into_owned() + "/");
    let mut places: Vec<String> = inside.collect();
    places.sort();
    places.insert(0, String::new());
    for place in &places {
        let path = format!("{place}{forward}");
        if !place.is_empty() && is_file(folder, &path) {
            return Some(format!("write `{path}` in place of `{cell}`"));
        }
        let endings = IMAGE_ENDINGS.iter();
        let mut endings = endings
            .flat_map(|ending| [(*ending).into(), ending.to_uppercase()])
            .map(|ending| format!("{path}.{ending}"));
        if let Some(path) = endings.find(|path| is_file(folder, path)) {
            return Some(format!(
                "write `{path}` in place of `{cell}`: paths need their file extensions"
            ));
        }
    }
    None
}
