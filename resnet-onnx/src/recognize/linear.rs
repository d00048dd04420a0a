//! Recognizes linear layers, in the forms that exporters write.

use crate::graph::{Constant, Graph, Node};

/// A linear layer over channels.
pub(crate) struct Dense<'g> {
    pub(crate) node: &'g Node,
    /// The weight of shape `[out, in]`, plus any trailing axes of length 1 in the file.
    pub(crate) weight: Constant,
    pub(crate) bias: Option<&'g Constant>,
}

impl Graph {
    /// Returns the linear layer that begins with `node` and reads `value`, and the value after it.
    pub(super) fn linear<'g>(
        &'g self,
        node: &'g Node,
        value: &str,
    ) -> Result<Option<(Dense<'g>, &'g str)>, String> {
        match node.op.as_str() {
            "Gemm" => self.gemm(node, value).map(Some),
            "MatMul" => self.matrix_product(node, value).map(Some),
            _ => Ok(None),
        }
    }

    fn gemm<'g>(&'g self, node: &'g Node, value: &str) -> Result<(Dense<'g>, &'g str), String> {
        node.only(&["alpha", "beta", "transA", "transB", "broadcast"])?;
        expect_first_input(node, value)?;
        node.is("transA", 0, 0)?;
        for key in ["alpha", "beta"] {
            if node.float(key, 1.0)? != 1.0 {
                return Err(node.expected(&format!("`{key}`"), 1.0, node.float(key, 1.0)?));
            }
        }
        let stored = self.matrix(node)?;
        let weight = match node.int("transB", 0)? {
            0 => stored.transpose().unwrap_or(stored),
            _ => stored,
        };
        let bias = node
            .has_input(2)
            .then(|| self.row(node, 2, weight.shape[0]))
            .transpose()?;
        Ok((Dense { node, weight, bias }, node.output()?))
    }

    fn matrix_product<'g>(
        &'g self,
        node: &'g Node,
        value: &str,
    ) -> Result<(Dense<'g>, &'g str), String> {
        expect_first_input(node, value)?;
        let stored = self.matrix(node)?;
        let weight = stored.transpose().unwrap_or(stored);
        let product = node.output()?;
        let (bias, after) = match self.reader(product).filter(|reader| reader.op == "Add") {
            Some(add) => {
                let index = usize::from(add.input(0)? == product);
                let bias = self.row(add, index, weight.shape[0])?;
                (Some(bias), add.output()?)
            }
            None => (None, product),
        };
        Ok((Dense { node, weight, bias }, after))
    }

    fn matrix(&self, node: &Node) -> Result<Constant, String> {
        let weight = self.weights(node, 1)?;
        match weight.shape[..] {
            [a, b] if a > 0 && b > 0 => Ok(weight.clone()),
            _ => Err(node.expected("a matrix of weights,", "[in, out]", &weight.shape)),
        }
    }

    fn row(&self, node: &Node, index: usize, length: usize) -> Result<&Constant, String> {
        let bias = self.weights(node, index)?;
        match bias.shape[..] {
            [found] | [1, found] if found == length => Ok(bias),
            _ => Err(node.expected("a bias of the shape", [length], &bias.shape)),
        }
    }
}

fn expect_first_input(node: &Node, value: &str) -> Result<(), String> {
    match node.inputs.first() {
        Some(input) if input == value => Ok(()),
        _ => Err(node.fault("expected the map as its first input")),
    }
}
