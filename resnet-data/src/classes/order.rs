//! The order of classes, where names do not tell it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{listed, unknown};
use crate::ParseOptionError;
use crate::dataset::DataError;

/// By which order of its folders a network numbered its classes.
///
/// ```
/// use resnet_data::ClassOrder;
///
/// assert_eq!("numeric".parse(), Ok(ClassOrder::Numeric));
/// assert_eq!(ClassOrder::Lexical.to_string(), "lexical");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// As texts, `10` before `2`: torchvision's `ImageFolder`, and `resnet-train`.
    Lexical,
    /// Numbers in names by their values, letters without regard to case: timm, and class numbers as names.
    Numeric,
}

impl fmt::Display for ClassOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lexical => "lexical",
            Self::Numeric => "numeric",
        })
    }
}

impl FromStr for ClassOrder {
    type Err = ParseOptionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "lexical" => Ok(Self::Lexical),
            "numeric" => Ok(Self::Numeric),
            _ => Err(ParseOptionError {
                expected: "`lexical` or `numeric`",
                found: name.into(),
            }),
        }
    }
}

/// The places of some classes among those of a network in every customary reading of their names.
pub(super) struct Readings {
    /// The names as class numbers.
    index: Option<Vec<usize>>,
    lexical: Option<Reading>,
    numeric: Option<Reading>,
    count: usize,
}

/// One reading.
struct Reading {
    places: Vec<usize>,
    /// All names in its order.
    names: Vec<String>,
}

impl Readings {
    /// The readings of names as those of `count` classes, all of them or some.
    pub(super) fn new(own: &[String], count: usize) -> Self {
        let index = numbers(own).filter(|numbers| numbers.iter().all(|&number| number < count));
        let all = match &index {
            _ if own.len() == count => Some(own.to_vec()),
            Some(index) => all_numbers(own, index, count),
            None => None,
        };
        let lexical = all.clone().map(|mut all| {
            all.sort();
            Reading::new(own, all)
        });
        let numeric = match (all, &index) {
            (Some(mut all), _) => {
                all.sort_by_cached_key(|name| natural_key(name));
                let keys: HashSet<_> = all.iter().map(|name| natural_key(name)).collect();
                (keys.len() == all.len()).then(|| Reading::new(own, all))
            }
            (None, Some(places)) => Some(Reading {
                places: places.clone(),
                names: own.to_vec(),
            }),
            (None, None) => None,
        };
        Self {
            index,
            lexical,
            numeric,
            count,
        }
    }

    /// The places: those of the order asked for, or else the only ones. `names` are the network's, where they are known.
    pub(super) fn settle(
        self,
        order: Option<ClassOrder>,
        own: &[String],
        names: Option<&[String]>,
        origin: &Path,
    ) -> Result<Vec<usize>, DataError> {
        let reading = match (order, names) {
            (None, Some(names)) => {
                return self.index.ok_or_else(|| unknown(own, names, origin));
            }
            (Some(ClassOrder::Lexical), _) => self.lexical,
            (Some(ClassOrder::Numeric), _) => self.numeric,
            (None, None) => match (self.lexical, self.numeric) {
                (Some(lexical), Some(numeric)) if lexical.places == numeric.places => Some(lexical),
                (None, None) => None,
                (lexical, numeric) => return Err(two_orders(origin, lexical, numeric)),
            },
        };
        let count = self.count;
        reading
            .map(|reading| reading.places)
            .ok_or_else(|| DataError::Unclear {
                path: origin.into(),
                expected: format!(
                    "{count} classes, as many as the network has, or class numbers below {count}"
                ),
                found: format!("{}: {}", own.len(), listed(own.iter())),
                advice: "name the classes of the network with `--labels FILE`".into(),
            })
    }
}

impl Reading {
    fn new(own: &[String], names: Vec<String>) -> Self {
        let numbered = names.iter().enumerate();
        let numbered: HashMap<&String, usize> =
            numbered.map(|(place, name)| (name, place)).collect();
        // Every name is among all of them.
        let places = own
            .iter()
            .filter_map(|name| numbered.get(name).copied())
            .collect();
        Self { places, names }
    }
}

/// The names as numbers, if all are and no two are the same.
fn numbers(own: &[String]) -> Option<Vec<usize>> {
    let number = |name: &String| {
        let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        name.parse().ok().filter(|_| digits)
    };
    let numbers: Vec<usize> = own.iter().map(number).collect::<Option<_>>()?;
    let distinct: HashSet<usize> = numbers.iter().copied().collect();
    (distinct.len() == numbers.len()).then_some(numbers)
}

/// The names of all classes where some are called by their numbers, with zeros before them or without.
fn all_numbers(own: &[String], index: &[usize], count: usize) -> Option<Vec<String>> {
    let padded = own
        .iter()
        .find(|name| name.len() > 1 && name.starts_with('0'));
    let width = padded.map_or(1, String::len);
    let alike = |(name, number): (&String, &usize)| *name == format!("{number:0width$}");
    let all = || {
        (0..count)
            .map(|number| format!("{number:0width$}"))
            .collect()
    };
    own.iter().zip(index).all(alike).then(all)
}

/// timm's key to sort by: texts in lower case and numbers in turn.
fn natural_key(name: &str) -> Vec<(String, usize, String)> {
    let name = name.to_lowercase();
    let mut rest = name.as_str();
    let mut key = Vec::new();
    loop {
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (text, after) = rest.split_at(end);
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (digits, after) = after.split_at(end);
        let value = digits.trim_start_matches('0');
        key.push((text.into(), value.len(), value.into()));
        if digits.is_empty() {
            return key;
        }
        rest = after;
    }
}

fn two_orders(origin: &Path, lexical: Option<Reading>, numeric: Option<Reading>) -> DataError {
    let names = |reading: Option<Reading>| reading.map_or_else(Vec::new, |reading| reading.names);
    let (lexical, numeric) = (names(lexical), names(numeric));
    // Up to where they differ, or around it.
    let pairs = lexical.iter().zip(&numeric);
    let differ = pairs.take_while(|(a, b)| a == b).count();
    let shown = |names: &[String]| match names {
        [] => "not defined, as two names are the same number".into(),
        names => excerpt(names, differ),
    };
    DataError::Unclear {
        path: origin.into(),
        expected: "one order of the classes, as the weights do not name theirs".into(),
        found: format!(
            "two customary ones: lexical, as in torchvision ({}), and numeric, as in timm ({})",
            shown(&lexical),
            shown(&numeric)
        ),
        advice: "pass `--class-order lexical` or `--class-order numeric`, whichever the network was trained with, or name its classes with `--labels FILE`".into(),
    }
}

/// A few names around a place.
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

    fn places(names: &[&str], count: usize) -> [Option<Vec<usize>>; 2] {
        let own: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let readings = Readings::new(&own, count);
        [readings.lexical, readings.numeric].map(|reading| reading.map(|reading| reading.places))
    }

    #[test]
    fn all_folders_are_placed_by_their_order() {
        // As torchvision and timm order them.
        let [lexical, numeric] = places(&["class_1", "class_10", "class_2"], 3);
        assert_eq!(
            (lexical, numeric),
            (Some(vec![0, 1, 2]), Some(vec![0, 2, 1]))
        );
        let [lexical, numeric] = places(&["Ant", "Zebra", "bee"], 3);
        assert_eq!(
            (lexical, numeric),
            (Some(vec![0, 1, 2]), Some(vec![0, 2, 1]))
        );
        let [lexical, numeric] = places(&["01", "02", "10"], 3);
        assert_eq!((&lexical, &numeric), (&Some(vec![0, 1, 2]), &lexical));
        // Two names of one number have no numeric order.
        let [lexical, numeric] = places(&["1", "01"], 2);
        assert_eq!((lexical, numeric), (Some(vec![1, 0]), None));
    }

    #[test]
    fn some_folders_are_placed_among_all_numbers() {
        // 0, 1, 10, 11, 2, …: `2` is the fifth.
        assert_eq!(
            places(&["10", "2"], 12),
            [Some(vec![2, 4]), Some(vec![10, 2])]
        );
        assert_eq!(places(&["1", "3"], 4), [Some(vec![1, 3]), Some(vec![1, 3])]);
        assert_eq!(
            places(&["03", "10"], 12),
            [Some(vec![3, 10]), Some(vec![3, 10])]
        );
        // Padded as well as not: a number by its value alone.
        assert_eq!(places(&["03", "1"], 12), [None, Some(vec![3, 1])]);
        assert_eq!(places(&["12"], 12), [None, None]);
        assert_eq!(places(&["cat"], 12), [None, None]);
        assert_eq!(places(&["+1"], 12), [None, None]);
    }

    #[test]
    fn keys_are_timms() {
        let mut names = ["a10b2", "a2", "a10b", "A1", "a", "007", "7x", "b"];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["007", "7x", "a", "A1", "a2", "a10b", "a10b2", "b"]);
    }

    #[test]
    fn orders_are_shown_where_they_differ() {
        let names: Vec<String> = (0..12).map(|number| format!("x{number}")).collect();
        assert_eq!(excerpt(&names, 2), "`x0`, `x1`, `x2`, `x3`, `x4`, …");
        assert_eq!(excerpt(&names, 9), "…, `x8`, `x9`, `x10`, `x11`");
    }
}
