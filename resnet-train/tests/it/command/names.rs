//! Class names with special characters for terminals, Markdown, SVG or CSV.

use super::*;

#[cfg(unix)]
#[test]
fn class_names_are_escaped_in_all_output() {
    let names = [
        "<script>alert(1)<",
        "[x](javascript:y)",
        "a|b`c`",
        "=1+1",
        "line\nbreak\u{1b}[31m\u{7}",
        "_it_ &lt;",
    ];
    let folder = tempfile::tempdir().unwrap();
    let shapes = Dataset::shapes_with_seed(24, 3);
    for (number, sample) in shapes.samples().iter().enumerate() {
        let class = folder
            .path()
            .join("pictures")
            .join(names[sample.labels()[0]]);
        fs::create_dir_all(&class).unwrap();
        let image = sample.rgb().unwrap();
        image.save(class.join(format!("{number}.png"))).unwrap();
    }
    let args = [
        "train",
        "pictures",
        "--arch",
        "cifar_resnet8_b",
        "--epochs",
        "1",
        "--batch-size",
        "4",
        "--split",
        "0.5",
        "--backend",
        "cpu",
    ];
    let output = run(folder.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for said in [output.stdout, output.stderr] {
        let said = text(&said);
        assert!(!said.contains(['\u{1b}', '\u{7}', '\r']), "{said:?}");
    }
    let card = text(&file(&folder, "README.md"));
    for hostile in ["<script", "[x](", "|b`", "\u{1b}", "_it_", "&lt;"] {
        assert!(!card.contains(hostile), "{card}");
    }
    assert!(card.contains("&#60;script&#62;alert(1)&#60;"), "{card}");
    // Each table row has four cells.
    let rows = card.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<usize> = rows.map(|row| row.matches('|').count()).collect();
    assert_eq!(rows, [5; 9], "{card}");

    let svg = text(&file(&folder, "confusion.svg"));
    assert!(!svg.contains("<script"), "{svg}");
    assert!(svg.contains("&lt;script&gt;alert(1)&lt;"), "{svg}");
    let odd = |c: char| c.is_control() && c != '\n';
    assert!(!svg.contains(odd), "{svg:?}");
    assert!(svg.contains("line\\nbreak\\u{1b}"), "{svg}");
    // `scores.json` has the raw names as JSON; the metrics have no names.
    let scores: serde_json::Value = serde_json::from_slice(&file(&folder, "scores.json")).unwrap();
    let mut found: Vec<&str> = scores["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    found.sort_unstable();
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(found, expected);
    let metrics = text(&file(&folder, "metrics.csv"));
    let cells = metrics.lines().skip(1).flat_map(|line| line.split(','));
    for cell in cells.filter(|cell| *cell != "all") {
        assert!(cell.parse::<f64>().is_ok(), "{cell}");
    }
}
