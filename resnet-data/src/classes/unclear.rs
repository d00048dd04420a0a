//! Errors for ambiguous class names.

use std::path::Path;

use super::listed;
use crate::dataset::DataError;

/// Returns the error for names that are only some of the class numbers: they may count from 0 or
/// from 1.
pub(super) fn two_starts(
    origin: &Path,
    own: &[String],
    names: Option<&[String]>,
    count: usize,
) -> DataError {
    let first = &own[0];
    let number: usize = first.parse().unwrap_or_default();
    let class = |class: usize| match names.and_then(|names| names.get(class)) {
        Some(name) => format!("class {class} (`{name}`)"),
        None => format!("class {class}"),
    };
    let advice = match names {
        Some(_) => "name the folders like the network's classes",
        None => "name all classes of the network in their order with `NetworkClasses::named`",
    };
    DataError::Unclear {
        path: origin.into(),
        expected: match names {
            Some(_) => format!("names of the network's {count} classes, or all of their numbers"),
            None => format!(
                "unambiguous class numbers, as the weights do not name their {count} classes"
            ),
        },
        found: format!(
            "the numbers {} of some classes, without `0`: `{first}` is {} if they are numbered from 0, and {} if they are numbered from 1",
            listed(own.iter()),
            class(number),
            class(number.saturating_sub(1))
        ),
        advice: format!("pass `ClassOrder::Index` if they are numbered from 0, or {advice}"),
    }
}

/// Returns the error for class names whose two orders differ.
pub(super) fn two_orders(origin: &Path, lexical: Vec<String>, numeric: Vec<String>) -> DataError {
    // Shows the names up to the first difference, or around it.
    let pairs = lexical.iter().zip(&numeric);
    let differ = pairs.take_while(|(a, b)| a == b).count();
    let shown = |names: &[String]| match names {
        [] => "not defined, as two names are the same number".into(),
        names => excerpt(names, differ),
    };
    DataError::Unclear {
        path: origin.into(),
        expected: "one order of the classes, as the weights have no class names".into(),
        found: format!(
            "two common ones: lexical, as in torchvision ({}), and numeric, as in timm ({})",
            shown(&lexical),
            shown(&numeric)
        ),
        advice: "pass `ClassOrder::Lexical` or `ClassOrder::Numeric`, whichever the network was trained with, or name its classes with `NetworkClasses::named`".into(),
    }
}

/// Formats a few names around a place.
fn excerpt(names: &[String], place: usize) -> String {
    const SHOWN: usize = 5;
    let first = if place < SHOWN { 0 } else { place - 1 };
    let shown = names.iter().skip(first).take(SHOWN);
    let mut shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    if first > 0 {
        shown.insert(0, "…".into());
    }
    if first + SHOWN < names.len() {
        shown.push("…".into());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_shown_around_their_first_difference() {
        let names: Vec<String> = (0..12).map(|number| format!("x{number}")).collect();
        assert_eq!(excerpt(&names, 2), "`x0`, `x1`, `x2`, `x3`, `x4`, …");
        assert_eq!(excerpt(&names, 9), "…, `x8`, `x9`, `x10`, `x11`");
    }
}
