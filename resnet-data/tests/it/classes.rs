//! `Dataset::matched`: the classes of a dataset among the classes of a network.

use resnet_data::{ClassOrder, Dataset, NetworkClasses};

use crate::files;

/// Creates a dataset with one image in each of these folders.
fn folders(names: &[&str]) -> Dataset {
    let folder = tempfile::tempdir().unwrap();
    let images: Vec<String> = names.iter().map(|name| format!("{name}/1.png")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    files(folder.path(), &images);
    Dataset::folder(folder.path()).unwrap()
}

/// Returns the class of each folder, in the order of the folder names.
fn classes(data: &Dataset, network: &NetworkClasses) -> Result<Vec<usize>, String> {
    let matched = data
        .matched(network, "here")
        .map_err(|error| error.to_string())?;
    Ok(matched
        .samples()
        .iter()
        .map(|sample| sample.labels()[0])
        .collect())
}

fn named(names: &[&str]) -> NetworkClasses {
    NetworkClasses::named(names.iter().map(|name| (*name).into()).collect())
}

#[test]
fn classes_match_by_name_or_else_by_number() {
    let four = named(&["a", "b", "c", "d"]);
    assert_eq!(classes(&folders(&["0", "3"]), &four).unwrap(), [0, 3]);
    let data = folders(&["1", "3"]);
    let index = Some(ClassOrder::Index);
    assert_eq!(classes(&data, &four.with_order(index)).unwrap(), [1, 3]);
    let three = named(&["a", "b", "c"]);
    for order in [None, index] {
        assert_eq!(
            classes(&data, &three.clone().with_order(order)).unwrap_err(),
            "`here`: expected classes among `a`, `b`, `c`, found `1`, `3`"
        );
    }
    // Names that are numbers are first looked up as names.
    assert_eq!(classes(&data, &named(&["3", "1"])).unwrap(), [1, 0]);
}

#[test]
fn numbers_with_two_different_orders_are_an_error() {
    let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let data = folders(&names);
    let twelve = NetworkClasses::unnamed(12);
    let message = classes(&data, &twelve).unwrap_err();
    for part in [
        "lexical, as in torchvision (`0`, `1`, `10`, `11`, `2`, …)",
        "numeric, as in timm (`0`, `1`, `2`, `3`, `4`, …)",
        "`ClassOrder::Lexical` or `ClassOrder::Numeric`",
        "`NetworkClasses::named`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let ordered = |order| classes(&data, &twelve.clone().with_order(Some(order))).unwrap();
    // Folders are sorted as text: 0, 1, 10, 11, 2, ….
    assert_eq!(ordered(ClassOrder::Lexical), (0..12).collect::<Vec<_>>());
    assert_eq!(
        ordered(ClassOrder::Numeric),
        [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    );
    // Equal orders, or the names of the network, leave nothing unclear.
    assert_eq!(
        classes(&folders(&names[..10]), &NetworkClasses::unnamed(10)).unwrap(),
        (0..10).collect::<Vec<_>>()
    );
    let mut stored = names.clone();
    stored.sort_unstable();
    assert_eq!(
        classes(&data, &named(&stored)).unwrap(),
        (0..12).collect::<Vec<_>>()
    );
    // Some of a hundred are just as unclear. With other class names, the numbers decide.
    assert!(classes(&folders(&["0", "3", "10"]), &NetworkClasses::unnamed(100)).is_err());
    let words: Vec<String> = (0..100).map(|class| format!("word {class}")).collect();
    let words = NetworkClasses::named(words);
    assert_eq!(
        classes(&folders(&["0", "3", "10"]), &words).unwrap(),
        [0, 10, 3]
    );
}

#[test]
fn some_numbers_without_0_are_an_error_as_they_may_start_at_1() {
    let nine = NetworkClasses::unnamed(9);
    let names: Vec<String> = (1..=9).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // If all folders exist, their order decides.
    assert_eq!(
        classes(&folders(&names), &nine).unwrap(),
        (0..9).collect::<Vec<_>>()
    );
    let message = classes(&folders(&names[..8]), &nine).unwrap_err();
    for part in [
        "as the weights do not name their 9 classes, found the numbers `1`, `2`",
        "`1` is class 1 if they are numbered from 0, and class 0 if they are numbered from 1; pass `ClassOrder::Index`",
        "`NetworkClasses::named`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Sorting does not tell whether `0` is among the classes.
    let some = folders(&["03", "05"]);
    let ordered = |data: &Dataset, order| classes(data, &nine.clone().with_order(Some(order)));
    for order in [ClassOrder::Lexical, ClassOrder::Numeric] {
        assert!(ordered(&some, order).is_err(), "{order}");
    }
    assert_eq!(ordered(&some, ClassOrder::Index), Ok(vec![3, 5]));
    // If the class names are numbers, they decide.
    assert_eq!(
        classes(&some, &named(&["0", "1", "2", "3", "4", "5"])),
        Ok(vec![3, 5])
    );
    let counted_from_1 = named(&names);
    for order in [None, Some(ClassOrder::Index), Some(ClassOrder::Lexical)] {
        let message = classes(&some, &counted_from_1.clone().with_order(order)).unwrap_err();
        assert!(message.ends_with("found `03`, `05`"), "{message}");
    }
    // If the class names are words, they do not decide.
    let words = [
        "ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis",
    ];
    let message = classes(&some, &named(&words)).unwrap_err();
    for part in [
        "expected names of the network's 9 classes, or all of their numbers, found the numbers `03`, `05`",
        "`03` is class 3 (`dog`) if they are numbered from 0, and class 2 (`cat`) if they are numbered from 1",
        "pass `ClassOrder::Index`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let index = named(&words).with_order(Some(ClassOrder::Index));
    assert_eq!(classes(&some, &index), Ok(vec![3, 5]));
    // If all folders exist, their order decides.
    let lexical = named(&words).with_order(Some(ClassOrder::Lexical));
    assert_eq!(classes(&folders(&names), &lexical), Ok((0..9).collect()));
    // With 0 among them, every order gives the same numbers.
    assert_eq!(classes(&folders(&["0", "2"]), &nine).unwrap(), [0, 2]);
    // Not a class number.
    for names in [&["3", "9"][..], &["3", "bee"]] {
        let message = ordered(&folders(names), ClassOrder::Index).unwrap_err();
        assert!(
            message.contains("expected different class numbers below 9 for `index`, found `3`, `"),
            "{message}"
        );
    }
}

#[test]
fn names_without_labels_use_the_only_possible_order() {
    let three = NetworkClasses::unnamed(3);
    let matched = folders(&["ant", "bee", "cat"])
        .matched(&three, "here")
        .unwrap();
    assert_eq!(matched.classes(), ["ant", "bee", "cat"]);
    assert_eq!(
        matched.notes(),
        ["the weights name no classes: `ant` is class 0, `bee` is class 1, `cat` is class 2"]
    );
    // timm sorts 2 before 10, and `bee` before `Cat`.
    for names in [
        ["class_1", "class_10", "class_2"],
        ["Ant", "Cat", "bee"],
        ["1", "2", "10"],
    ] {
        assert!(classes(&folders(&names), &three).is_err(), "{names:?}");
    }
    // Starts at 1, but all numbers are below 10.
    assert_eq!(
        classes(&folders(&["1", "2", "3"]), &three).unwrap(),
        [0, 1, 2]
    );
    // Fewer than the network has, and no numbers.
    let message = classes(&folders(&["ant", "bee"]), &three).unwrap_err();
    assert!(
        message.contains("expected 3 classes, as many as the network has, or class numbers below 3, found 2: `ant`, `bee`; name the classes of the network with `NetworkClasses::named`"),
        "{message}"
    );
    // A dataset that defines its class numbers.
    let shapes = Dataset::shapes(6);
    assert_eq!(
        classes(&shapes, &NetworkClasses::unnamed(6)).unwrap(),
        [0, 1, 2, 3, 4, 5]
    );
    assert!(classes(&shapes, &NetworkClasses::unnamed(7)).is_err());
}

#[test]
fn names_match_regardless_of_case_and_separators() {
    let network = named(&[
        "tench",
        "English springer",
        "jack-o'-lantern",
        "Crane",
        "crane",
    ]);
    let data = folders(&["English_Springer", "crane", "tench"]);
    let matched = data.matched(&network, "here").unwrap();
    assert_eq!(matched.counts(), [1, 1, 0, 0, 1]);
    assert!(matched.notes()[0].contains("`English_Springer` to `English springer`"));
    // Two matching classes, or one class twice.
    for names in [&["CRANE"][..], &["tench", "Tench"]] {
        assert!(classes(&folders(names), &network).is_err(), "{names:?}");
    }
    let twice = named(&["maillot", "maillot"]);
    let message = classes(&folders(&["maillot"]), &twice).unwrap_err();
    assert!(message.contains("classes 0 and 1"), "{message}");
}

#[test]
fn wordnet_ids_are_classes_of_imagenet() {
    let words: Vec<String> = (0..1000).map(|class| format!("word {class}")).collect();
    let imagenet = NetworkClasses::named(words.clone()).with_imagenet();
    // Three classes of imagenette, one of Stanford Dogs.
    let data = folders(&["n01440764", "n02102040", "n03888257", "n02085620-Chihuahua"]);
    assert_eq!(classes(&data, &imagenet).unwrap(), [0, 151, 217, 701]);
    assert_eq!(
        classes(&data, &NetworkClasses::unnamed(1000)).unwrap(),
        [0, 151, 217, 701]
    );
    // Other networks, unknown ids, and names mixed with ids.
    assert!(classes(&data, &NetworkClasses::named(words)).is_err());
    assert!(classes(&data, &NetworkClasses::unnamed(10)).is_err());
    let message = classes(&folders(&["n01440764", "n00000001"]), &imagenet).unwrap_err();
    assert_eq!(
        message,
        "`here`: expected WordNet ids of ImageNet-1k's 1000 classes, found `n00000001`"
    );
    // A network of four classes, trained on these folders.
    assert_eq!(
        classes(&data, &NetworkClasses::unnamed(4)).unwrap(),
        [0, 1, 2, 3]
    );
}
