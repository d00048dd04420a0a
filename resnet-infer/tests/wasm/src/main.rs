//! Prints the logits of an image.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("expected an image")?;
    println!("{:?}", wasm::logits(&std::fs::read(path)?)?);
    Ok(())
}
