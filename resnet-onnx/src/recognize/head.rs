//! Recognizes the head: pool and classifier.

use resnet_core::GlobalPool;

use super::layout::Layout;
use super::linear::Dense;
use super::walk::{Size, Walk};

impl<'g> Walk<'g> {
    /// Recognizes the pool, the classifier and an optional softmax, up to the output.
    pub(super) fn head(
        &self,
        value: &'g str,
        size: Size,
        channels: usize,
    ) -> Result<(GlobalPool, Option<Dense<'g>>), String> {
        let pool = self
            .graph
            .reader(value)
            .ok_or_else(|| self.unexpected(value, "a pool over the whole map"))?;
        let found = self.graph.global_pool(pool, size)?;
        let (kind, mut layout) = found.ok_or_else(|| {
            self.unexpected(value, "a residual block or a pool over the whole map")
        })?;
        let mut value = pool.output()?;
        let mut classifier = None;
        while let Some(node) = self.graph.reader(value) {
            if let Some(after) = layout.after(self.graph, node, channels)? {
                (layout, value) = (after, node.output()?);
            } else if node.op == "Softmax"
                && classifier.is_some()
                && matches!(node.int("axis", 1)?, 1 | -1)
            {
                // The softmax is dropped, because networks of this zoo return logits.
                value = node.output()?;
                break;
            } else if layout == Layout::rows() && classifier.is_none() {
                let linear = self.graph.linear(node, value)?;
                let (dense, after) =
                    linear.ok_or_else(|| self.unexpected(value, "the classifier"))?;
                if dense.weight.shape[1] != channels {
                    return Err(node.expected("input channels", channels, dense.weight.shape[1]));
                }
                (classifier, value) = (Some(dense), after);
            } else {
                return Err(self.unexpected(value, "the classifier"));
            }
        }
        if value != self.graph.output || layout != Layout::rows() {
            return Err(
                self.unexpected(value, "the output of the classifier as `[batch, classes]`")
            );
        }
        Ok((kind, classifier))
    }
}
