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

mod activation;
mod bool;
mod float;
mod int;
mod module;
mod quantized;
