//! Sets the rpath of the binaries to the LibTorch of the build, so that they run without
//! `LD_LIBRARY_PATH`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let unix = env::var_os("CARGO_CFG_UNIX").is_some();
    if let (Ok(folder), true) = (env::var("DEP_TCH_LIBTORCH_LIB"), unix) {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
