//! What the commands on zones share: paths that hold zones, as text or as images, and a bar for long work.

use crate::wire::name::Name;
use crate::zone::image::Image;
use crate::zone::library::{Library, Places, apex_of, read_image};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// A directory, or a file that holds `zone`, or the zone that its name says.
pub(super) fn places(path: &Path, zone: Option<&Name>, include_outside: bool) -> Result<Places, String> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Ok(Places { directory: Some(path.into()), listed: Vec::new(), include_outside })
        }
        Ok(_) => {
            let apex = match zone {
                Some(zone) => zone.clone(),
                None => apex_of(path).map_err(|why| format!("error: {why}; say which zone it holds with --zone"))?,
            };
            Ok(Places { directory: None, listed: vec![(apex, path.into())], include_outside })
        }
        Err(error) => {
            Err(format!("error: {}: {error}; give a zone file, an image or a directory of these", path.display()))
        }
    }
}

/// The zones of a path, by name. A file with an image says itself which zone it is.
pub(super) fn images(path: &Path, zone: Option<&Name>) -> Result<BTreeMap<String, Image>, String> {
    let images = if starts_like_image(path) {
        vec![read_image(path).map_err(|error| format!("error: {}: {error}", path.display()))?]
    } else {
        let load = Library::new().load(&places(path, zone, false)?).map_err(|why| format!("error: {why}"))?;
        let fatal: Vec<&str> =
            load.reports.iter().filter(|report| report.fatal).map(|report| report.text.trim_end()).collect();
        if !fatal.is_empty() {
            return Err(fatal.join("\n"));
        }
        load.zones.iter().filter_map(|zone| zone.image().cloned()).collect()
    };
    let wanted = |image: &Image| zone.is_none_or(|zone| zone.to_lower() == image.apex().to_lower());
    let named = images.into_iter().filter(wanted).map(|image| (image.apex().to_lower().to_string(), image));
    Ok(named.collect())
}

/// Whether a file begins as images do, whatever its name.
fn starts_like_image(path: &Path) -> bool {
    let mut magic = [0; 8];
    let read = path.is_file() && std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok();
    read && Image::is_magic(&magic)
}

/// A bar on a terminal; hidden in a pipe.
pub(super) fn bar(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0).with_prefix(what);
    match ProgressStyle::with_template("{prefix:10} {wide_bar} {pos}/{len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
