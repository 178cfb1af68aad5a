//! Writes the seeds of the `image` target into a directory: real images, as this build compiles them.

use catchment_fuzz::{ZONES, image};

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).expect("usage: image_seeds DIRECTORY");
    for (at, (apex, text)) in ZONES.iter().enumerate() {
        let image = image(apex, text);
        let content = &image.bytes()[..image.bytes().len() - 32];
        let path = std::path::Path::new(&directory).join(format!("image{at}"));
        std::fs::write(path, [&[1], content].concat())?;
    }
    Ok(())
}
