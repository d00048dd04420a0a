//! The backend operations. Flex computes most of them.

/// Defines functions that call the Flex function of the same name. Both backends share the tensor
/// type.
macro_rules! delegate {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {
        $(
            #[inline]
            fn $name($($arg: $type),*) $(-> $out)? {
                Flex::$name($($arg),*)
            }
        )*
    };
}

/// Defines functions that create a tensor with Flex. The first call registers the fused layers of
/// this backend.
macro_rules! create {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(
            #[inline]
            fn $name($($arg: $type),*) -> $out {
                crate::fused::register();
                Flex::$name($($arg),*)
            }
        )*
    };
}

/// Defines elementwise functions that call Flex. Channels-last feature maps stay channels-last.
macro_rules! elementwise {
    ($(fn $name:ident([$($x:ident),*] $(, $arg:ident: $type:ty)*);)*) => {
        $(
            #[inline]
            fn $name($($x: FloatTensor<Self>,)* $($arg: $type),*) -> FloatTensor<Self> {
                crate::layout::elementwise([$($x),*], |[$($x),*]| Flex::$name($($x,)* $($arg),*))
            }
        )*
    };
}

/// Defines an operation on each value of a tensor.
macro_rules! unary {
    ($(fn $name:ident: $operation:expr;)*) => {
        $(
            fn $name(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                crate::layout::elementwise([tensor], |[tensor]| {
                    crate::arithmetic::of_one(tensor, $operation, Flex::$name)
                })
            }
        )*
    };
}

/// Defines an arithmetic operation on two tensors and its variant with a scalar.
macro_rules! arithmetic {
    ($(fn $name:ident, $scalar:ident: |$a:ident, $b:ident| $operation:expr;)*) => {
        $(
            fn $name(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
                crate::layout::elementwise([lhs, rhs], |tensors| {
                    crate::arithmetic::of_two(tensors, |$a, $b| $operation, Flex::$name)
                })
            }

            fn $scalar(lhs: FloatTensor<Self>, rhs: Scalar) -> FloatTensor<Self> {
                crate::layout::elementwise([lhs], |[lhs]| {
                    crate::arithmetic::with_scalar(lhs, rhs, |$a, $b| $operation, Flex::$scalar)
                })
            }
        )*
    };
}

mod activation;
mod bool;
mod float;
mod int;
mod module;
mod quantized;
