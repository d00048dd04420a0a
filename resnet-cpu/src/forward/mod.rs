//! The operations that this crate leaves to Flex.

/// Functions that call Flex's of the same name. Tensors are Flex's, so that nothing is converted.
macro_rules! forward {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {
        $(
            #[inline]
            fn $name($($arg: $type),*) $(-> $out)? {
                Flex::$name($($arg),*)
            }
        )*
    };
}

/// The same for functions that create a tensor: the first one registers the fused layers of this backend.
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

/// The same for what does not depend on where a value is: channels that lie side by side stay so.
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

/// An operation of two tensors, and of a tensor and a number.
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
