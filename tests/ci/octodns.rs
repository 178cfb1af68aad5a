//! The real octoDNS: it writes zone files, and they are published.

use crate::support::catchment::run;
use crate::support::fleet::{CHANNEL, Publisher};
use crate::support::process::TempDir;
use crate::support::skip;
use crate::support::workflow::{done_by, python, said};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OWN: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn what_octodns_writes_is_published() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let publisher = Publisher::new("ci-octodns", None).unwrap();
    let home = TempDir::new("ci-octodns-home");
    std::fs::create_dir(home.path().join("config")).unwrap();
    for file in ["octodns.yaml", "config/example.com.yaml"] {
        std::fs::copy(Path::new(OWN).join("deploy/ci/octodns").join(file), home.path().join(file)).unwrap();
    }
    std::os::unix::fs::symlink(publisher.zones(), home.path().join("zones")).unwrap();
    let sync = || {
        let mut command = Command::new(python.join("octodns-sync"));
        done_by(command.args(["--config-file", "octodns.yaml", "--doit"]).current_dir(home.path())).unwrap();
    };
    sync();
    let (code, text, _) = run(&["check", "--strict", &publisher.zones().display().to_string()], home.path());
    assert_eq!((code, text.as_str()), (0, "1 zone, 11 records: 0 errors, 0 warnings\n"));
    publisher.publish().unwrap();
    let config = home.path().join("config/example.com.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("192.0.2.81", "192.0.2.82")).unwrap();
    // Its serials are seconds: the next one is another.
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let written = second();
    while second() == written {
        std::thread::sleep(Duration::from_millis(10));
    }
    sync();
    let plan = publisher.command(&["plan", "zones", "--of", &publisher.store, "--channel", CHANNEL]).output().unwrap();
    assert_eq!(plan.status.code(), Some(2), "{}", said(&plan));
    let text = said(&plan);
    for part in [
        "~ example.com. changes: serial ",
        ", 2 records removed, 2 added",
        "- www.example.com. 300 IN A 192.0.2.81",
        "+ www.example.com. 300 IN A 192.0.2.82",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    publisher.publish().unwrap();
    publisher.verify().unwrap();
}
