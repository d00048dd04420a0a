//! The order of classes if the names of the network do not decide.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::unclear::{two_orders, two_starts};
use super::{listed, unknown};
use crate::ParseOptionError;
use crate::dataset::DataError;

/// The order in which a network numbers its classes if its weights have no class names.
///
/// ```
/// use resnet_data::ClassOrder;
///
/// assert_eq!("numeric".parse(), Ok(ClassOrder::Numeric));
/// assert_eq!(ClassOrder::Lexical.to_string(), "lexical");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// Sorted as text, `10` before `2`, as in torchvision's `ImageFolder` and `resnet-train`.
    Lexical,
    /// Sorted with numbers by value and without regard to case, as in timm.
    Numeric,
    /// By number: each name is the number of its class, counted from 0.
    Index,
}

impl fmt::Display for ClassOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lexical => "lexical",
            Self::Numeric => "numeric",
            Self::Index => "index",
        })
    }
}

impl FromStr for ClassOrder {
    type Err = ParseOptionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "lexical" => Ok(Self::Lexical),
            "numeric" => Ok(Self::Numeric),
            "index" => Ok(Self::Index),
            _ => Err(ParseOptionError {
                expected: "`lexical`, `numeric` or `index`",
                found: name.into(),
            }),
        }
    }
}

/// The indices of a dataset's classes among the classes of a network, in each common order.
pub(super) struct Readings {
    /// The class numbers, if all names are numbers.
    index: Option<Vec<usize>>,
    lexical: Option<Reading>,
    numeric: Option<Reading>,
    /// Whether the names are only some of the numbers and not `0`, so that the dataset may count
    /// from 0 or from 1.
    may_begin_at_1: bool,
    count: usize,
}

/// The places of the classes in one order.
struct Reading {
    places: Vec<usize>,
    /// All names in this order.
    names: Vec<String>,
}

impl Readings {
    /// Interprets `own` as the names of `count` classes, or of some of them.
    pub(super) fn new(own: &[String], count: usize) -> Self {
        let index = numbers(own).filter(|numbers| numbers.iter().all(|&number| number < count));
        let may_begin_at_1 = index
            .as_ref()
            .is_some_and(|numbers| numbers.len() < count && !numbers.contains(&0));
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
            may_begin_at_1,
            count,
        }
    }

    /// Returns the places in the requested order, or else the unambiguous places. `names` are the
    /// network's class names, if known.
    pub(super) fn settle(
        self,
        order: Option<ClassOrder>,
        own: &[String],
        names: Option<&[String]>,
        origin: &Path,
    ) -> Result<Vec<usize>, DataError> {
        let count = self.count;
        // If the network names a class `3`, the folder `03` is class 3 only if this class has the
        // number 3.
        let number = |&class: &usize| names.and_then(|names| names.get(class)?.parse().ok());
        let is_possible = |class: &usize| number(class).is_none_or(|name: usize| name == *class);
        let is_told = |index: &Vec<usize>| index.iter().all(|class| number(class).is_some());
        let index = self.index.filter(|index| index.iter().all(is_possible));
        let may_begin_at_1 = self.may_begin_at_1 && !index.as_ref().is_some_and(is_told);
        let has_order = matches!(order, Some(ClassOrder::Lexical | ClassOrder::Numeric));
        let has_all_in_order = has_order && own.len() == count;
        let reading = match (order, names, index) {
            (_, Some(names), None) if !has_all_in_order => {
                return Err(unknown(own, names, origin));
            }
            (Some(ClassOrder::Index), _, index) => {
                return index.ok_or_else(|| DataError::Unclear {
                    path: origin.into(),
                    expected: format!("different class numbers below {count} for `index`"),
                    found: listed(own.iter()),
                    advice: "name the classes of the network with `NetworkClasses::named`".into(),
                });
            }
            _ if may_begin_at_1 => return Err(two_starts(origin, own, names, count)),
            (None, Some(_), Some(index)) => return Ok(index),
            (Some(ClassOrder::Lexical), ..) => self.lexical,
            (Some(ClassOrder::Numeric), ..) => self.numeric,
            (None, ..) => match (self.lexical, self.numeric) {
                (Some(lexical), Some(numeric)) if lexical.places == numeric.places => Some(lexical),
                (None, None) => None,
                (lexical, numeric) => {
                    return Err(two_orders(origin, names_of(lexical), names_of(numeric)));
                }
            },
        };
        reading
            .map(|reading| reading.places)
            .ok_or_else(|| DataError::Unclear {
                path: origin.into(),
                expected: format!(
                    "{count} classes, as many as the network has, or class numbers below {count}"
                ),
                found: format!("{}: {}", own.len(), listed(own.iter())),
                advice: "name the classes of the network with `NetworkClasses::named`".into(),
            })
    }
}

impl Reading {
    fn new(own: &[String], names: Vec<String>) -> Self {
        let numbered = names.iter().enumerate();
        let numbered: HashMap<&String, usize> =
            numbered.map(|(place, name)| (name, place)).collect();
        // `names` contains every name of `own`.
        let places = own
            .iter()
            .filter_map(|name| numbered.get(name).copied())
            .collect();
        Self { places, names }
    }
}

/// Returns the names of all classes in an order, or nothing if there is no such order.
fn names_of(reading: Option<Reading>) -> Vec<String> {
    reading.map_or_else(Vec::new, |reading| reading.names)
}

/// Returns the names as numbers if all of them are numbers and no two are equal.
fn numbers(own: &[String]) -> Option<Vec<usize>> {
    let number = |name: &String| {
        let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        name.parse().ok().filter(|_| digits)
    };
    let numbers: Vec<usize> = own.iter().map(number).collect::<Option<_>>()?;
    let distinct: HashSet<usize> = numbers.iter().copied().collect();
    (distinct.len() == numbers.len()).then_some(numbers)
}

/// Returns the names of all classes if some have their numbers as names, with or without leading
/// zeros.
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

/// Computes timm's sort key: lowercase text and numbers in alternation.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(names: &[&str], count: usize) -> [Option<Vec<usize>>; 2] {
        let own: Vec<String> = names.iter().map(|name| (*name).into()).collect();
        let readings = Readings::new(&own, count);
        [readings.lexical, readings.numeric].map(|reading| reading.map(|reading| reading.places))
    }

    #[test]
    fn all_folders_follow_their_order() {
        // The orders of torchvision and timm.
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
        // Two names for one number have no numeric order.
        let [lexical, numeric] = places(&["1", "01"], 2);
        assert_eq!((lexical, numeric), (Some(vec![1, 0]), None));
    }

    #[test]
    fn some_folders_are_located_among_all_numbers() {
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
        // With padded and unpadded numbers, only the value counts.
        assert_eq!(places(&["03", "1"], 12), [None, Some(vec![3, 1])]);
        assert_eq!(places(&["12"], 12), [None, None]);
        assert_eq!(places(&["cat"], 12), [None, None]);
        assert_eq!(places(&["+1"], 12), [None, None]);
    }

    #[test]
    fn sort_keys_match_timm() {
        let mut names = ["a10b2", "a2", "a10b", "A1", "a", "007", "7x", "b"];
        names.sort_by_key(|name| natural_key(name));
        assert_eq!(names, ["007", "7x", "a", "A1", "a2", "a10b", "a10b2", "b"]);
    }
}
