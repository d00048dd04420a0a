//! Tables of paths and labels.

use std::fs;
use std::path::Path;

use resnet_data::{DataError, DataOptions, Dataset};
use tempfile::TempDir;

use crate::{files, halves, save};

#[test]
fn csv_files_have_one_label_or_several() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labels.csv");
    save(&folder.path().join("a.png"), 9);
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        Dataset::csv(&file)
    };
    let data = read("path,label\na.png,dog\nb.png , cat\n\"c,d.png\",dog\n").unwrap();
    assert_eq!(data.classes(), ["cat", "dog"]);
    let labels = |data: &Dataset| -> Vec<Vec<usize>> {
        data.samples()
            .iter()
            .map(|sample| sample.labels().to_vec())
            .collect()
    };
    assert_eq!(labels(&data), [[1], [0], [1]]);
    assert!(!data.is_multi_label());
    assert_eq!(data.samples()[0].rgb().unwrap().get_pixel(0, 0).0, [9; 3]);
    let missing = data.samples()[1].rgb().unwrap_err().to_string();
    assert!(missing.contains("b.png"), "{missing}");

    let data = read("a.png,dog;cat\nb.png,\n").unwrap();
    assert!(data.is_multi_label());
    assert_eq!(labels(&data), [vec![1, 0], vec![]]);

    // A byte order mark, as spreadsheets write it, and a repeated label.
    let data = read("\u{feff}path,label\na.png,dog;dog\n").unwrap();
    assert_eq!(
        (data.classes(), labels(&data)),
        (&["dog".to_string()][..], vec![vec![0]])
    );

    for (text, end) in [
        (
            "\"a\n.png\",dog\nb.png\n",
            "expected a path and a label in line 3, found 1 columns",
        ),
        (
            "a.png,dog\nb.png\n",
            "expected a path and a label in line 2, found 1 columns",
        ),
        ("a.png,dog\n,cat\n", "in line 2, found an empty path"),
        ("path,label\n", "expected labeled images, found none"),
        ("", "expected labeled images, found none"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains("labels.csv`: ") && error.ends_with(end),
            "{error}"
        );
    }
}

/// A folder with four images, which opens tables beside them.
struct Tables(TempDir);

impl Tables {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        files(
            folder.path(),
            &["a.png", "b.png", "c.png", "d.png", "masks/a.png"],
        );
        Self(folder)
    }

    fn open_with(
        &self,
        name: &str,
        bytes: &[u8],
        options: &DataOptions,
    ) -> Result<Dataset, DataError> {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        options.open_held_out(path)
    }

    fn open(&self, text: &str) -> Result<Dataset, DataError> {
        self.open_with("table.csv", text.as_bytes(), &DataOptions::default())
    }

    fn message(&self, text: &str) -> String {
        self.open(text).unwrap_err().to_string()
    }
}

/// Checks that the table has the images a, b, c and d with the classes x, x, y and y.
#[track_caller]
fn is_usual(data: &Dataset) {
    let stems = data.samples().iter().map(|sample| {
        let name = sample.name().into_owned();
        Path::new(&name)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    });
    assert_eq!(stems.collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(data.classes(), ["x", "y"]);
    let labels: Vec<usize> = data
        .samples()
        .iter()
        .map(|sample| sample.labels()[0])
        .collect();
    assert_eq!(labels, [0, 0, 1, 1]);
    assert!(!data.is_multi_label());
}

#[test]
fn unusual_headers_give_a_note() {
    let tables = Tables::new();
    let rows = "a.png,x\nb.png,x\nc.png,y\nd.png,y\n";
    for header in [
        "",
        "path,label\n",
        "Path,Label\n",
        "\u{feff}\"PATH\",\"label\"\n",
    ] {
        let data = tables.open(&format!("{header}{rows}")).unwrap();
        is_usual(&data);
        assert_eq!(data.notes(), [""; 0], "{header}");
    }
    for (header, names) in [
        ("filename,label", ["filename", "label"]),
        ("image,class", ["image", "class"]),
        ("Image Path,Species", ["Image Path", "Species"]),
        ("foto,Sorte", ["foto", "Sorte"]),
    ] {
        let data = tables.open(&format!("{header}\n{rows}")).unwrap();
        is_usual(&data);
        let [path, label] = names;
        let note = format!("table.csv`: paths from column `{path}`, labels from column `{label}`");
        assert!(data.notes()[0].ends_with(&note), "{:?}", data.notes());
    }
    // Labels in the first column, with and without a header.
    for header in ["label,path\n", "kind,photo of it\n", ""] {
        let data = tables
            .open(&format!("{header}x,a.png\nx,b.png\ny,c.png\ny,d.png\n"))
            .unwrap();
        is_usual(&data);
    }
    // A missing file in the first row is not a header.
    let data = tables.open(&format!("gone.png,z\n{rows}")).unwrap();
    assert_eq!((data.len(), data.classes().len()), (5, 3));
}

#[test]
fn several_columns_are_identified_by_name_then_by_files() {
    let tables = Tables::new();
    let rows = "0,a.png,masks/a.png,x,3.5\n1,b.png,masks/a.png,x,3.25\n2,c.png,masks/a.png,y,1.5\n3,d.png,masks/a.png,y,3.5\n";
    // Both columns name files: the column name decides.
    let data = tables
        .open(&format!(",image,mask,label,weight\n{rows}"))
        .unwrap();
    is_usual(&data);
    assert!(
        data.notes()[0].ends_with(
            "paths from column `image`, labels from column `label`; not used: 1, `mask`, `weight`"
        ),
        "{:?}",
        data.notes()
    );
    let message = tables.message(&format!(",one,two,label,weight\n{rows}"));
    assert!(
        message.contains(
            "found the columns ``, `one`, `two`, `label`, `weight`; set `DataOptions::path_column` and `DataOptions::label_column`"
        ),
        "{message}"
    );
    // One column of files, and one column of repeated words.
    let data = tables
        .open("id,foto,kind,width\n1,a.png,x,3.5\n2,b.png,x,3.1\n3,c.png,y,0.5\n4,d.png,y,3.1\n")
        .unwrap();
    is_usual(&data);
    let message = tables.message("foto,kind,sort\na.png,x,u\nb.png,x,u\nc.png,y,v\nd.png,y,v\n");
    assert!(
        message.contains("set `DataOptions::path_column` and `DataOptions::label_column`"),
        "{message}"
    );
}

#[test]
fn columns_can_be_named() {
    let tables = Tables::new();
    let text =
        "one,two,kind,sort\na.png,b.png,x,u\nb.png,a.png,x,v\nc.png,a.png,y,v\nd.png,a.png,y,v\n";
    let open = |text: &str, path: Option<&str>, label: Option<&str>| {
        let options = DataOptions {
            path_column: path.map(String::from),
            label_column: label.map(String::from),
            ..DataOptions::default()
        };
        tables.open_with("table.csv", text.as_bytes(), &options)
    };
    is_usual(&open(text, Some("one"), Some("kind")).unwrap());
    is_usual(&open(text, Some("ONE"), Some("Kind")).unwrap());
    is_usual(&open(text, Some("1"), Some("3")).unwrap());
    let headless = text.split_once('\n').unwrap().1;
    is_usual(&open(headless, Some("1"), Some("3")).unwrap());
    let message = |path, label| open(text, path, label).unwrap_err().to_string();
    let unknown = message(Some("three"), None);
    assert!(
        unknown
            .ends_with("expected a column `three`, found the columns `one`, `two`, `kind`, `sort`"),
        "{unknown}"
    );
    assert!(message(Some("0"), None).contains("expected a column `0`"));
    let same = message(Some("one"), Some("one"));
    assert!(same.contains("expected different columns"), "{same}");
    let none = message(Some("kind"), Some("one"));
    assert!(
        none.contains("found none, beginning with `x` in line 2"),
        "{none}"
    );
    // With two columns, one name is enough.
    let two = "kind,one\nx,a.png\nx,b.png\ny,c.png\ny,d.png\n";
    is_usual(&open(two, None, Some("kind")).unwrap());
    is_usual(&open(two, Some("one"), None).unwrap());
    // Column names do not apply to folders.
    let options = DataOptions {
        path_column: Some("one".into()),
        ..DataOptions::default()
    };
    let message = options.open(tables.0.path()).unwrap_err().to_string();
    assert!(
        message.contains("expected a table for names of columns"),
        "{message}"
    );
}

#[test]
fn other_separators_give_a_note() {
    let tables = Tables::new();
    let text = "path;label\na.png;x\nb.png;x\nc.png;y\nd.png;y\n";
    let data = tables.open(text).unwrap();
    is_usual(&data);
    assert!(data.notes()[0].ends_with("table.csv`: semicolons separate the columns"));
    is_usual(&tables.open(&text.replace(';', "\t")).unwrap());
    is_usual(&tables.open(&text.replace(';', "|")).unwrap());
    let tabs = text.replace(';', "\t");
    is_usual(
        &tables
            .open_with("table.TSV", tabs.as_bytes(), &DataOptions::default())
            .unwrap(),
    );
    // Labels joined by `;` stay labels.
    let data = tables.open("a.png,x;y\nb.png,y;z\n").unwrap();
    assert_eq!((data.classes().len(), data.is_multi_label()), (3, true));
    let data = tables.open("a.png\tx;y\nb.png\ty;z\n").unwrap();
    assert_eq!((data.classes().len(), data.is_multi_label()), (3, true));
    let data = tables.open("path;label\na.png;\"x;y\"\nb.png;y\n").unwrap();
    assert_eq!((data.classes().len(), data.is_multi_label()), (2, true));
    let message = tables.message("path;label\na.png;x;y\nb.png;y\n");
    assert!(
        message.ends_with("expected a path and a label in line 2, found 3 columns"),
        "{message}"
    );
}

#[test]
fn errors_name_the_lines_of_missing_labels() {
    let tables = Tables::new();
    let message = tables.message("path,label\na.png,x\nb.png,\nc.png,y\nd.png,y\n");
    assert!(
        message.contains("table.csv`: expected a label in line 3, as no image has several, found none; fill it in"),
        "{message}"
    );
    let message = tables.message("a.png,x\nb.png,\nc.png, \nd.png,y\n");
    assert!(
        message.contains("found none there and in 1 other lines"),
        "{message}"
    );
    // With a single class, images may have it or not.
    let data = tables.open("a.png,x\nb.png,\nc.png,\nd.png,x\n").unwrap();
    assert!(data.is_multi_label());
    assert!(data.notes()[0].ends_with("images without a label count as images without `x`"));
    // In a multi-label table, images may have no label.
    for text in [
        "a.png,x;y\nb.png,\nc.png,y\n",
        "a.png,x;\nb.png,\nc.png,y\n",
    ] {
        let data = tables.open(text).unwrap();
        assert!(data.is_multi_label() && data.samples()[1].labels().is_empty());
    }
}

#[test]
fn malformed_tables_give_advice() {
    let tables = Tables::new();
    for (text, expected) in [
        (
            "path,cat,dog\na.png,1,0\nb.png,0.0,1\n",
            "found 2 columns of 0 and 1: `cat`, `dog`; write the names of the columns that are 1 into one column",
        ),
        (
            "id,breed\na,x\nb,x\n",
            "write `a.png` in place of `a`: paths need their file extensions",
        ),
        (
            "path,label\nother/a.png,x\nother/b.png,y\n",
            "found none, beginning with `other/a.png` in line 2; correct the paths",
        ),
        (
            "path,label\n.\\a.png,x\n.\\b.png,y\n",
            "write `./a.png` in place of `.\\a.png`",
        ),
        ("zero.png,x\n", "expected file paths"),
        (
            "zero,x\n",
            "found none, beginning with `zero`, `x` in line 1",
        ),
        (
            "a.png\n",
            "expected a path and a label in line 1, found 1 columns",
        ),
        (
            "path,label,more\na.png,x,1\nb.png,x\n",
            "expected 3 columns in line 3, as in the first, found 2 columns",
        ),
    ] {
        let message = tables.message(text);
        assert!(message.contains(expected), "{message}");
    }
    save(&tables.0.path().join("train/e.png"), 1);
    let message = tables.message("image,label\ne.png,x\nf.png,y\n");
    assert!(
        message.contains("write `train/e.png` in place of `e.png`"),
        "{message}"
    );

    for (bytes, expected) in [
        (
            &b"\xff\xfep\0a\0"[..],
            "found UTF-16 text; save the table as UTF-8",
        ),
        (
            b"path,label\na.png,\xe4\n",
            "found other bytes in line 2; save the table as UTF-8",
        ),
        (
            b"PK\x03\x04\x00\x00",
            "found a file of another kind; unpack it",
        ),
    ] {
        let error = tables.open_with("table", bytes, &DataOptions::default());
        let message = error.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn duplicate_rows_count_once() {
    let tables = Tables::new();
    let data = tables
        .open("a.png,x\nb.png,x\nc.png,y\n./a.png,x\nd.png,y\na.png,x\n")
        .unwrap();
    is_usual(&data);
    let note = &data.notes()[0];
    assert!(
        note.ends_with("table.csv`: 2 duplicate rows are ignored: `./a.png` in lines 1 and 4"),
        "{note}"
    );
    // An absolute path equals a relative one.
    let folder = tables.0.path().display();
    let data = tables.open(&format!("a.png,x\nb.png,y\n{folder}/a.png,x\n"));
    assert_eq!(data.unwrap().len(), 2);
    // The same labels in another order, and a repeated label.
    let data = tables.open("a.png,x;y\nb.png,y\na.png,y;x\nb.png,y;y\n");
    assert_eq!(data.unwrap().len(), 2);
    for (text, end) in [
        (
            "a.png,x\nb.png,y\na.png,y\nb.png,y\n",
            "table.csv`: expected the same labels of `a.png` in lines 1 and 3, found `x` and `y`; remove the wrong row, or write several labels of one image into one row, `cat;dog`",
        ),
        (
            "a.png,x;\nb.png,y\nmasks//a.png,x\nmasks/a.png,y;x\n",
            "expected the same labels of `masks/a.png` in lines 3 and 4, found `x` and `y;x`; write all labels of the image into one row",
        ),
        (
            "a.png,x;y\na.png,\n",
            "found `x;y` and no label; write all labels of the image into one row",
        ),
    ] {
        let message = tables.message(text);
        assert!(message.ends_with(end), "{message}");
    }
}

#[test]
fn the_error_of_an_unclosed_quote_names_its_line() {
    let tables = Tables::new();
    for text in [
        "path,label\na.png,x\nb.png,\"x\nc.png,y\nd.png,y\n",
        "path,label\na.png,x\nb.png,\"x\nc.png,\"y\"\nd.png,y\n",
        "path,label\na.png,x\nb.png,\"x\nc.png,y\n\"\nd.png,y\n",
        "path\tlabel\na.png\tx\n\"b.png\tx\nc.png\ty\n\"d.png\ty\n",
    ] {
        let message = tables.message(text);
        assert!(
            message.ends_with("table.csv`: expected a closing quote (`\"`) for the quoted cell in line 3, found none in that row; close the cell, or write `\"\"` in a quoted cell for a quote that belongs to its text"),
            "{message}"
        );
    }
    let text = "note,path,label\n\"two\nlines, and a comma\",a.png,x\n\"\",b.png,\"x\"\n5\" disk,c.png,y\n,d.png,y\n";
    is_usual(&tables.open(text).unwrap());
}

#[test]
fn tsv_files_may_have_other_separators() {
    let tables = Tables::new();
    let open = |text: &str| {
        let options = DataOptions::default();
        tables
            .open_with("table.tsv", text.as_bytes(), &options)
            .unwrap()
    };
    let data = open("path,label\na.png,x\nb.png,x\nc.png,y\nd.png,y\n");
    is_usual(&data);
    let notes = data.notes();
    assert!(
        notes[0].ends_with("table.tsv`: commas separate the columns"),
        "{notes:?}"
    );
    is_usual(&open("path;label\na.png;x\nb.png;x\nc.png;y\nd.png;y\n"));
    // Tabs take priority, although commas split the rows just as evenly.
    let data = open("path\tlabel, of one\na.png\tx, 1\nb.png\ty, 2\n");
    assert_eq!(data.classes(), ["x, 1", "y, 2"]);
}

#[test]
fn class_weights_count_images_not_labels() {
    let tables = Tables::new();
    let data = tables
        .open("a.png,x;y\nb.png,x;y\nc.png,x\nd.png,\n")
        .unwrap();
    // Four images; scikit-learn's `balanced`: 4 / (2 * 3) and 4 / (2 * 2).
    assert_eq!(data.class_weights(), [4.0 / 6.0, 1.0]);
    let one = tables.open("a.png,x\nb.png,x\nc.png,x\nd.png,y\n").unwrap();
    assert_eq!(one.class_weights(), [4.0 / 6.0, 2.0]);
}

#[test]
fn the_error_of_a_split_names_the_table() {
    let tables = Tables::new();
    let path = tables.0.path().join("few.csv");
    fs::write(&path, "a.png,x\nb.png,x\nc.png,y\n").unwrap();
    let message = halves().open(&path).unwrap_err().to_string();
    assert!(
        message.ends_with("few.csv`: expected 2 images or more of `y` to split it, found 1"),
        "{message}"
    );
}

#[test]
fn a_table_with_one_class_is_an_error() {
    let tables = Tables::new();
    let path = tables.0.path().join("one.csv");
    fs::write(&path, "a.png,x\nb.png,x\n").unwrap();
    let message = halves().open(&path).unwrap_err().to_string();
    assert!(
        message.contains("expected two classes or more, found `x` alone, with 2 images"),
        "{message}"
    );
    assert_eq!(Dataset::open_held_out(&path).unwrap().len(), 2);
    // With a single class, an image has it or not.
    fs::write(&path, "a.png,x;\nb.png,x\nc.png,\nd.png,\n").unwrap();
    assert!(halves().open(&path).is_ok());
}
