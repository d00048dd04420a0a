//! Compares a checkpoint with a network.

use std::collections::BTreeMap;
use std::fmt;

use resnet_core::ResNetConfig;

use super::Load;
use super::expected::{Expected, norm_parameters};
use super::report::{Mismatch, Report, Shape, mismatch};
use crate::Entry;

impl Load {
    /// Compares the file's tensors `entries` with the network. The tensor with the key `adapted`
    /// may have another shape.
    pub(super) fn compare(
        self,
        network: &Expected<'_>,
        mut entries: BTreeMap<String, &Entry>,
        adapted: Option<&str>,
    ) -> Report {
        let mut report = Report::default();
        let has = |key: &str| entries.contains_key(key);
        let bare_classifier = has("fc.weight") && !has("fc.bias");
        let norms = norm_parameters(network.shapes);
        let bare_norms = !norms.iter().any(|key| has(key));
        for (key, shape) in network.shapes {
            let may_be_fresh = self.other_classes && network.is_head(key);
            let Some(entry) = entries.remove(key.as_str()) else {
                let follows = bare_classifier && key == "fc.bias"
                    || bare_norms && norms.contains(key.as_str());
                match may_be_fresh {
                    _ if follows && !report.fresh.iter().any(|key| key == "fc.weight") => {
                        report.filled.push(key.clone());
                    }
                    true => report.fresh.push(key.clone()),
                    false => report.missing.push(key.clone()),
                }
                continue;
            };
            if !entry.dtype().is_float() {
                report
                    .mismatched
                    .push(mismatch(key, "floats", entry.dtype()));
            } else if entry.shape() != shape && adapted != Some(key) {
                match may_be_fresh {
                    true => {
                        report.fresh.push(key.clone());
                        report.skipped.push(key.clone());
                    }
                    false => {
                        report
                            .mismatched
                            .push(mismatch(key, Shape(shape), Shape(entry.shape())))
                    }
                }
            }
        }
        for key in entries.into_keys() {
            match self.is_surplus(&key, network) {
                true => report.skipped.push(key),
                false => report.unexpected.push(key),
            }
        }
        report.skipped.sort();
        report.headless = network.heads.is_empty();
        report
    }

    /// Returns whether to ignore a key of the file that the network lacks: `num_batches_tracked` of
    /// BatchNorm, or the classifier if other classes are allowed.
    fn is_surplus(self, key: &str, network: &Expected<'_>) -> bool {
        match key.strip_suffix("num_batches_tracked") {
            Some(norm) => network
                .shapes
                .iter()
                .any(|(key, _)| key.strip_suffix("running_var") == Some(norm)),
            None => self.other_classes && network.is_head(key),
        }
    }

    /// Returns the options that affect the trained values, are invisible in keys and shapes, and
    /// differ between network and file. The output stride is not one of them: the same values work
    /// with every stride.
    pub(super) fn differing_options(
        self,
        expected: &ResNetConfig,
        found: &ResNetConfig,
    ) -> impl Iterator<Item = Mismatch> {
        let option = |key, expected: &dyn fmt::Debug, found: &dyn fmt::Debug| {
            mismatch(key, format_args!("{expected:?}"), format_args!("{found:?}"))
        };
        let (a, b) = (expected, found);
        let options = [
            option("activation", &a.activation, &b.activation),
            option("anti_alias", &a.anti_alias, &b.anti_alias),
            option("global_pool", &a.global_pool, &b.global_pool),
            option("norm", &a.norm, &b.norm),
            option("norm_eps", &a.norm_eps, &b.norm_eps),
            option("shortcut", &a.shortcut, &b.shortcut),
            option("stem_pool", &a.stem_pool, &b.stem_pool),
            option("stride_placement", &a.stride_placement, &b.stride_placement),
        ];
        options
            .into_iter()
            .filter(move |option| option.expected != option.found && !self.other_options)
            // A fresh classifier can be trained on any global pool.
            .filter(move |option| !(self.other_classes && option.key == "global_pool"))
    }
}
