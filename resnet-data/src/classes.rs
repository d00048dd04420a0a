//! Matches the classes of a dataset to the classes of a network.

mod order;
mod unclear;

use std::collections::HashMap;
use std::path::Path;

pub use self::order::ClassOrder;
use self::order::Readings;
use crate::dataset::{DataError, SampleLabels};
use crate::{Dataset, wordnet};

/// The classes of a network. [`Dataset::matched`] matches the classes of a dataset to them.
#[derive(Clone, Debug)]
pub struct NetworkClasses {
    count: usize,
    names: Option<Vec<String>>,
    is_imagenet: bool,
    order: Option<ClassOrder>,
}

impl NetworkClasses {
    /// Creates classes with known names, in the order of the class numbers.
    pub fn named(names: Vec<String>) -> Self {
        Self {
            count: names.len(),
            names: Some(names),
            is_imagenet: false,
            order: None,
        }
    }

    /// Creates `count` classes without names. If `count` is 1000, [`Dataset::matched`] accepts
    /// ImageNet's WordNet ids as folder names.
    pub fn unnamed(count: usize) -> Self {
        Self {
            count,
            names: None,
            is_imagenet: count == wordnet::CLASSES,
            order: None,
        }
    }

    /// Marks the classes as ImageNet-1k, so that [`Dataset::matched`] accepts WordNet ids as folder
    /// names. Has no effect unless there are 1000 classes.
    pub fn with_imagenet(self) -> Self {
        Self {
            is_imagenet: self.count == wordnet::CLASSES,
            ..self
        }
    }

    /// Sets the order in which the network numbers its classes. [`Dataset::matched`] uses it if the
    /// names do not decide.
    pub fn with_order(self, order: Option<ClassOrder>) -> Self {
        Self { order, ..self }
    }
}

impl Dataset {
    /// Returns the same images with these classes, matched by name. Names may differ in case and in
    /// `_`, `-` and spaces.
    pub(crate) fn with_classes_named(
        &self,
        classes: &[String],
        origin: &Path,
    ) -> Result<Self, DataError> {
        let known = Names::new(classes);
        let places = self.classes().iter().map(|name| known.places(name));
        match places.collect::<Option<Vec<[usize; 2]>>>() {
            Some(places) => self.moved_by_name(classes, &places, origin),
            None => Err(unknown(self.classes(), classes, origin)),
        }
    }

    /// Returns the same images with the classes of a network. Tries these rules in order:
    ///
    /// 1. by class name, if the network knows at least one of them (case, `_`, `-` and spaces may
    ///    differ);
    /// 2. by WordNet id, if the network's classes are ImageNet's;
    /// 3. by the dataset's own class numbers (CIFAR, shapes), if the network has no class names;
    /// 4. by number, if the class names are numbers and the network has no such names;
    /// 5. by the sort order of the class names, if every common sort order gives the same result or
    ///    [`NetworkClasses::with_order`] names one.
    ///
    /// If the class names are only some of the numbers, and not `0`, the dataset may count from 0
    /// or from 1. Pass [`ClassOrder::Index`] to count from 0.
    ///
    /// Errors name `origin`.
    ///
    /// # Errors
    ///
    /// Returns an error if the network does not have one of the classes, or if the order of the
    /// classes is ambiguous.
    pub fn matched(
        &self,
        network: &NetworkClasses,
        origin: impl AsRef<Path>,
    ) -> Result<Self, DataError> {
        let origin = origin.as_ref();
        let own = self.classes();
        if let Some(names) = &network.names {
            let known = Names::new(names);
            let places: Vec<_> = own.iter().map(|name| known.places(name)).collect();
            if places.iter().any(Option::is_some) {
                let places: Option<Vec<[usize; 2]>> = places.into_iter().collect();
                let places = places.ok_or_else(|| unknown(own, names, origin))?;
                let moved = self.moved_by_name(names, &places, origin)?;
                return Ok(match network.order {
                    Some(_) => moved
                        .with_note("the order of the classes is not used, as their names tell it"),
                    None => moved,
                });
            }
        }
        let ids: Vec<Option<usize>> = own.iter().map(|name| wordnet::class(name)).collect();
        if network.is_imagenet && ids.iter().any(Option::is_some) {
            let Some(places) = ids.into_iter().collect::<Option<Vec<usize>>>() else {
                return Err(unknown_ids(own, origin));
            };
            let names = self.names_of(network, &places);
            check_distinct(own, &places, &names, origin)?;
            return Ok(self.moved(names, &places));
        }
        if network.names.is_none() && self.has_own_order && own.len() == network.count {
            let note = "the weights name no classes: uses the classes of the dataset, in its order";
            return Ok(self.clone().with_note(note));
        }
        let readings = Readings::new(own, network.count);
        let places = readings.settle(network.order, own, network.names.as_deref(), origin)?;
        let names = self.names_of(network, &places);
        let note = note(own, &places, &network.names);
        Ok(self.moved(names, &places).with_note(note))
    }

    fn moved_by_name(
        &self,
        names: &[String],
        places: &[[usize; 2]],
        origin: &Path,
    ) -> Result<Self, DataError> {
        let own = self.classes();
        let mut pairs = own.iter().zip(places);
        // Some label lists contain a name twice.
        if let Some((name, [first, last])) = pairs.find(|(_, [first, last])| first != last) {
            return Err(DataError::Form {
                path: origin.into(),
                expected: format!("names of one class each, not of classes {first} and {last}"),
                found: format!("`{name}`"),
            });
        }
        let places: Vec<usize> = places.iter().map(|&[place, _]| place).collect();
        let places = places.as_slice();
        check_distinct(own, places, names, origin)?;
        let mut moved = self.moved(names.to_vec(), places);
        let mut pairs = own.iter().zip(places);
        if let Some((name, &place)) = pairs.find(|&(name, &place)| *name != names[place]) {
            let class = &names[place];
            moved = moved.with_note(format!(
                "classes are matched without regard to case, `_` and `-`: `{name}` to `{class}`"
            ));
        }
        Ok(moved)
    }

    /// Returns the names of all classes: the network's names if it has any, else the dataset's
    /// names where they are known.
    fn names_of(&self, network: &NetworkClasses, places: &[usize]) -> Vec<String> {
        network.names.clone().unwrap_or_else(|| {
            let mut names: Vec<String> = (0..network.count)
                .map(|class| format!("class {class}"))
                .collect();
            for (name, &place) in self.classes().iter().zip(places) {
                names[place].clone_from(name);
            }
            names
        })
    }

    /// Returns the same images with each class moved to its place in `classes`.
    fn moved(&self, classes: Vec<String>, places: &[usize]) -> Self {
        let move_to = |labels: &SampleLabels| match labels {
            SampleLabels::One(label) => SampleLabels::One(places[*label]),
            SampleLabels::Several(labels) => {
                SampleLabels::Several(labels.iter().map(|&label| places[label]).collect())
            }
        };
        let mut samples = self.samples().to_vec();
        for sample in &mut samples {
            sample.labels = move_to(&sample.labels);
        }
        let mut moved = Self::new(classes, samples);
        moved.findings = self.findings.clone();
        moved
    }
}

/// An index of names for exact and loose lookup. Each name has its first and its last place.
struct Names<'a> {
    exact: HashMap<&'a str, [usize; 2]>,
    loose: HashMap<String, [usize; 2]>,
}

impl<'a> Names<'a> {
    fn new(names: &'a [String]) -> Self {
        let mut known = Self {
            exact: HashMap::new(),
            loose: HashMap::new(),
        };
        for (place, name) in names.iter().enumerate() {
            known.exact.entry(name).or_insert([place; 2])[1] = place;
            known.loose.entry(loosely(name)).or_insert([place; 2])[1] = place;
        }
        known
    }

    fn places(&self, name: &str) -> Option<[usize; 2]> {
        let exact = self.exact.get(name);
        exact.or_else(|| self.loose.get(&loosely(name))).copied()
    }
}

/// Normalizes a name for loose lookup: case, `_`, `-` and spaces do not count.
fn loosely(name: &str) -> String {
    name.to_lowercase().replace(['_', '-'], " ")
}

/// Checks that no two classes map to the same class.
fn check_distinct(
    own: &[String],
    places: &[usize],
    names: &[String],
    origin: &Path,
) -> Result<(), DataError> {
    let mut taken: HashMap<usize, &String> = HashMap::new();
    for (name, &place) in own.iter().zip(places) {
        if let Some(other) = taken.insert(place, name) {
            return Err(DataError::Form {
                path: origin.into(),
                expected: format!("one folder or label for the class `{}`", names[place]),
                found: format!("`{other}` and `{name}`"),
            });
        }
    }
    Ok(())
}

fn unknown(own: &[String], names: &[String], origin: &Path) -> DataError {
    let known = Names::new(names);
    let unknown = own.iter().filter(|name| known.places(name).is_none());
    DataError::Form {
        path: origin.into(),
        expected: format!("classes among {}", listed(names.iter())),
        found: listed(unknown),
    }
}

fn unknown_ids(own: &[String], origin: &Path) -> DataError {
    let unknown = own.iter().filter(|name| wordnet::class(name).is_none());
    DataError::Form {
        path: origin.into(),
        expected: "WordNet ids of ImageNet-1k's 1000 classes".into(),
        found: listed(unknown),
    }
}

/// Returns the note that shows how the class names were mapped.
fn note(own: &[String], places: &[usize], names: &Option<Vec<String>>) -> String {
    const SHOWN: usize = 3;
    let pairs = own.iter().zip(places).take(SHOWN);
    let more = if own.len() > SHOWN { ", …" } else { "" };
    match names {
        Some(names) => {
            let taken = pairs
                .map(|(name, &place)| format!("`{name}` is class {place} (`{}`)", names[place]));
            let taken: Vec<String> = taken.collect();
            format!(
                "class names are read as class numbers: {}{more}",
                taken.join(", ")
            )
        }
        None => {
            let taken: Vec<String> = pairs
                .map(|(name, place)| format!("`{name}` is class {place}"))
                .collect();
            format!("the weights name no classes: {}{more}", taken.join(", "))
        }
    }
}

/// Formats the first names and the number of the others.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        count if count <= SHOWN => names.join(", "),
        count => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}
