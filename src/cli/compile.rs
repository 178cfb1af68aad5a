//! `catchment compile` and `catchment dump`: zones to images, and back to text.

use super::zones::{bar, images, places};
use super::{complain, done, end_of_output, fail};
use crate::counted::counted;
use crate::sync::disk::{Directory, Disk};
use crate::wire::name::Name;
use crate::zone::dump;
use crate::zone::image::Image;
use crate::zone::library::{Library, image_name, is_image};
use futures_util::{StreamExt, stream};
use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Images that are written at a time: each waits for the disk.
const PARALLEL: usize = 16;

/// Arguments of `catchment compile`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A directory of zone files, or one zone file
    zones: PathBuf,
    /// The directory to write images to: a file ZONE.image each
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// The zone that the file holds, whatever its name says
    #[arg(long, value_name = "NAME")]
    zone: Option<Name>,
    /// Let `$INCLUDE` leave the directory
    #[arg(long)]
    include_outside: bool,
}

/// Arguments of `catchment dump`.
#[derive(Debug, clap::Args)]
pub struct DumpArguments {
    /// An image, a zone file, or a directory of these
    image: PathBuf,
    /// This zone alone; a zone file holds it whatever its name says
    #[arg(long, value_name = "NAME")]
    zone: Option<Name>,
}

/// Writes an image of each zone; none, if any zone is bad.
pub fn run(arguments: &Arguments) -> ExitCode {
    match compile(arguments) {
        Ok(said) => done(&said),
        Err(why) => fail(&why),
    }
}

fn compile(arguments: &Arguments) -> Result<String, String> {
    let places = places(&arguments.zones, arguments.zone.as_ref(), arguments.include_outside)?;
    let load = Library::new().load(&places).map_err(|why| format!("error: {why}"))?;
    for skipped in &load.skipped {
        complain(&format!("note: no zone: {}: it {}", skipped.path.display(), skipped.reason));
    }
    let (fatal, warnings): (Vec<_>, Vec<_>) = load.reports.iter().partition(|report| report.has_errors);
    warnings.iter().for_each(|report| complain(&report.text));
    if !fatal.is_empty() {
        let texts: Vec<&str> = fatal.iter().map(|report| report.text.trim_end()).collect();
        let faulty = counted(fatal.len(), "zone");
        return Err(format!("{}\nerror: nothing was written: {faulty} at fault", texts.join("\n")));
    }
    let images: Vec<Image> = load.zones.iter().filter_map(|zone| zone.image().cloned()).collect();
    if images.is_empty() {
        return Err(format!("error: there are no zones in {}", arguments.zones.display()));
    }
    let (zones, octets) = (images.len(), images.iter().map(Image::len).sum::<u64>());
    let expected: HashSet<String> = images.iter().map(|image| image_name(&image.apex())).collect();
    let (written, strays) = super::store::block_on(write(&arguments.out, images, &expected))??;
    for stray in strays {
        let path = arguments.out.join(stray);
        complain(&format!("note: {} is there from before: remove it if its zone is gone", path.display()));
    }
    Ok(format!(
        "{}: {}, {octets} octets; {written} written, the others were there",
        arguments.out.display(),
        counted(zones, "image")
    ))
}

/// Writes what is not there yet, each file as a whole: an old one stays until the new one is safe on the disk. Gives how many, and
/// the images in the directory that this run has no zone for.
async fn write(
    directory: &Path,
    images: Vec<Image>,
    expected: &HashSet<String>,
) -> Result<(usize, Vec<String>), String> {
    let disk = Directory::new(directory);
    let bar = bar("writing");
    bar.set_length(images.len() as u64);
    let one = |image: Image| {
        let (disk, bar) = (&disk, &bar);
        async move {
            let name = image_name(&image.apex());
            let mut bytes = Vec::with_capacity(image.len() as usize);
            image.write_to(&mut bytes)?;
            drop(image);
            let is_there = disk.len(&name).await? == Some(bytes.len() as u64)
                && disk.read(&name, bytes.len() as u64).await?.as_ref() == Some(&bytes);
            if !is_there {
                disk.write(&name, bytes).await?;
            }
            bar.inc(1);
            Ok::<usize, std::io::Error>(usize::from(!is_there))
        }
    };
    let mut written = 0;
    let mut writing = stream::iter(images).map(one).buffer_unordered(PARALLEL);
    while let Some(result) = writing.next().await {
        written += result.map_err(|error| {
            let whole = "images that were there are whole, old or new; make room, or mend it, and compile again";
            format!("error: {error}: {whole}")
        })?;
    }
    bar.finish_and_clear();
    // What a run that was killed left half written goes with this, too.
    let files = disk.list("").await.map_err(|error| format!("error: {error}"))?;
    let paths = files.into_iter().map(|file| file.path);
    let mut strays: Vec<String> = paths.filter(|path| is_image(Path::new(path)) && !expected.contains(path)).collect();
    strays.sort();
    Ok((written, strays))
}

/// Prints zones as text: a record a line, in canonical order.
pub fn dump(arguments: &DumpArguments) -> ExitCode {
    let images = match images(&arguments.image, arguments.zone.as_ref()) {
        Ok(images) if images.is_empty() => {
            return fail(&format!("error: no such zone in {}", arguments.image.display()));
        }
        Ok(images) => images,
        Err(why) => return fail(&why),
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for image in images.values() {
        let mut line = String::new();
        let mut written = Ok(());
        let read = image.for_each_record(|owner, rtype, ttl_secs, rdata| {
            line.clear();
            dump::write_record(owner, rtype, ttl_secs, rdata, &mut line);
            if written.is_ok() {
                written = out.write_all(line.as_bytes());
            }
        });
        if let Err(error) = read {
            return fail(&format!("error: {}: {error}", arguments.image.display()));
        }
        if let Err(error) = written.and_then(|()| out.flush()) {
            return end_of_output(&error);
        }
    }
    ExitCode::SUCCESS
}
