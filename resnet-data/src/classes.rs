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
    /// Creates classes whose names are known, by their numbers.
    pub fn named(names: Vec<String>) -> Self {
        Self {
            count: names.len(),
            names: Some(names),
            is_imagenet: false,
            order: None,
        }
    }

    /// Creates classes of which the number alone is known. A thousand of them are ImageNet's where folders are named by
    /// WordNet ids.
    pub fn unnamed(count: usize) -> Self {
        Self {
            count,
            names: None,
            is_imagenet: count == wordnet::CLASSES,
            order: None,
        }
    }

    /// Says that they are ImageNet-1k's, so that folders may be named by WordNet ids.
    pub fn with_imagenet(self) -> Self {
        Self {
            is_imagenet: self.count == wordnet::CLASSES,
            ..self
        }
    }

    /// Sets how the network numbered its classes, for where no names tell it.
    pub fn with_order(self, order: Option<ClassOrder>) -> Self {
        Self { order, ..self }
    }
}

impl Dataset {
    /// The same images with these classes, by their names alone, which may differ in case and in `_`, `-` and spaces.
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

    /// Returns the same images with the classes of a network. In this order:
    ///
    /// 1. by class name, if the network knows at least one of them (case, `_`, `-` and spaces may differ);
    /// 2. by WordNet ids, where the classes are ImageNet's;
    /// 3. as they are numbered, in a dataset that numbers its classes (CIFAR, shapes), where the network names none;
    /// 4. by numbers as names, where the network's classes have other names;
    /// 5. by the order of the names, where that is one and the same in every customary reading, or an order is
    ///    [given](NetworkClasses::with_order).
    ///
    /// Some of the numbers without `0` need [`ClassOrder::Index`], as all of them may begin with 1.
    ///
    /// `origin` is named in errors.
    ///
    /// # Errors
    ///
    /// If a class is none of the network's, or the order of the classes is not clear.
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
        // Some lists of labels have one name twice.
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

    /// The names of all classes: the network's, or else the dataset's where it has them.
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

    /// The same images, each of its classes moved to a place among others.
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

/// Names to look others up in, as they are or else loosely. Each has its first place and its last.
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

/// A name as people write it in a path.
fn loosely(name: &str) -> String {
    name.to_lowercase().replace(['_', '-'], " ")
}

/// That no two classes become one.
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

/// What names were taken for.
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

/// The first names, and how many more there are.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        count if count <= SHOWN => names.join(", "),
        count => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}
