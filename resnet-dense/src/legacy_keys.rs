//! The keys of files that torchvision published before it renamed layers.

use std::borrow::Cow;

/// Returns torchvision's current name of a state-dict key, which is the key itself if it was never
/// renamed.
///
/// | Older key | Current key |
/// |---|---|
/// | `rpn.head.conv.weight` | `rpn.head.conv.0.0.weight` |
/// | `backbone.fpn.inner_blocks.I.weight`, `layer_blocks` | `backbone.fpn.inner_blocks.I.0.weight` |
/// | `roi_heads.mask_head.mask_fcnI.weight` | `roi_heads.mask_head.(I-1).0.weight` |
/// | `head.classification_head.conv.2I.weight`, `regression_head` (RetinaNet) | `head.classification_head.conv.I.0.weight` |
pub(crate) fn current_key(key: &str) -> Cow<'_, str> {
    let renamed = || {
        let (layer, parameter) = key.rsplit_once('.')?;
        if layer == "rpn.head.conv" {
            return Some(format!("rpn.head.conv.0.0.{parameter}"));
        }
        for blocks in ["backbone.fpn.inner_blocks.", "backbone.fpn.layer_blocks."] {
            let index = layer.strip_prefix(blocks).filter(|index| is_number(index));
            if let Some(index) = index {
                return Some(format!("{blocks}{index}.0.{parameter}"));
            }
        }
        let number = layer.strip_prefix("roi_heads.mask_head.mask_fcn")?;
        let number = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some(format!("roi_heads.mask_head.{number}.0.{parameter}"))
    };
    renamed().map_or(Cow::Borrowed(key), Cow::Owned)
}

/// Returns the current name of a key of RetinaNet.
///
/// Files of RetinaNet had convolutions at even indices, `conv.0`, `conv.2` and so on, with ReLUs
/// between them.
pub(crate) fn current_retinanet_key(key: &str) -> Cow<'_, str> {
    let renamed = || {
        let (layer, parameter) = key.rsplit_once('.')?;
        let (head, index) = layer.rsplit_once('.')?;
        let towers = ["head.classification_head.conv", "head.regression_head.conv"];
        towers.contains(&head).then_some(())?;
        let index: usize = index.parse().ok()?;
        Some(format!("{head}.{}.0.{parameter}", index / 2))
    };
    renamed().map_or_else(|| current_key(key), Cow::Owned)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_keys_are_renamed() {
        for (older, current) in [
            ("rpn.head.conv.bias", "rpn.head.conv.0.0.bias"),
            ("rpn.head.conv.0.0.bias", "rpn.head.conv.0.0.bias"),
            (
                "backbone.fpn.inner_blocks.2.weight",
                "backbone.fpn.inner_blocks.2.0.weight",
            ),
            (
                "backbone.fpn.layer_blocks.0.0.weight",
                "backbone.fpn.layer_blocks.0.0.weight",
            ),
            (
                "roi_heads.mask_head.mask_fcn4.bias",
                "roi_heads.mask_head.3.0.bias",
            ),
            (
                "roi_heads.mask_head.mask_fcn0.bias",
                "roi_heads.mask_head.mask_fcn0.bias",
            ),
            (
                "roi_heads.box_head.fc6.weight",
                "roi_heads.box_head.fc6.weight",
            ),
        ] {
            assert_eq!(current_key(older), current);
            assert_eq!(current_retinanet_key(older), current);
        }
        let (older, current) = (
            "head.regression_head.conv.6.weight",
            "head.regression_head.conv.3.0.weight",
        );
        assert_eq!(current_retinanet_key(older), current);
        assert_eq!(current_retinanet_key(current), current);
        // FCOS's keys have this form and were never renamed.
        assert_eq!(current_key(older), older);
    }
}
