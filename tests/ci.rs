//! deploy/ci as a team uses it: each command of the workflows is run, in their order, in a git repository with a store and a node; hooks
//! refuse commits; what the real octoDNS writes is published.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::catchment::{run, zone};
use support::fleet::{CHANNEL, Node, Publisher};
use support::process::TempDir;
use support::skip;

const PATIENCE: Duration = Duration::from_secs(60);
const OWN: &str = env!("CARGO_MANIFEST_DIR");

/// Programs from PyPI, in a virtual environment of their own. The error says why there is none.
fn python() -> Result<PathBuf, String> {
    static MADE: Mutex<()> = Mutex::new(());
    let _alone = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = std::fs::read_to_string(Path::new(OWN).join("deploy/ci/octodns/requirements.txt")).unwrap();
    let home = Path::new(OWN).join("target/ci-venv");
    let (bin, done) = (home.join("bin"), home.join("requirements.txt"));
    if std::fs::read_to_string(&done).is_ok_and(|has| has == wanted) {
        return Ok(bin);
    }
    let _ = std::fs::remove_dir_all(&home);
    done_by(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let pip = ["--quiet", "--disable-pip-version-check", "--timeout", "20", "--retries", "1"];
    let requirements = Path::new(OWN).join("deploy/ci/octodns/requirements.txt");
    done_by(Command::new(bin.join("pip")).arg("install").args(pip).arg("-r").arg(requirements))?;
    std::fs::write(done, wanted).unwrap();
    Ok(bin)
}

/// Runs to the end: standard output, or what it complains of.
fn done_by(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}{}", text(&output.stdout), text(&output.stderr))),
    }
}

/// A YAML file of ours as JSON.
fn yaml(python: &Path, file: &str) -> serde_json::Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    let text = done_by(Command::new(python.join("python")).args(["-c", script]).arg(Path::new(OWN).join(file)));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// The path with `catchment` before all else.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_catchment")).parent().unwrap();
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default())
}

/// A repository with zones, a key set, and somebody who commits.
struct Repository {
    publisher: Publisher,
    dir: PathBuf,
}

impl Repository {
    fn new(label: &str) -> Repository {
        let publisher = Publisher::new(label, None).unwrap();
        publisher.write("example.com", &zone(1));
        let dir = publisher.zones().parent().unwrap().to_owned();
        let repository = Repository { publisher, dir };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]).unwrap();
        repository.commit("Zones").unwrap();
        repository
    }

    fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        done_by(Command::new("git").args(who).args(arguments).current_dir(&self.dir).env("PATH", path()))
    }

    fn commit(&self, message: &str) -> Result<String, String> {
        self.git(&["add", "zones", "prod.keyset"])?;
        self.git(&["commit", "--quiet", "-m", message])
    }

    /// A step as a runner has it.
    fn step(&self, script: &str) -> Output {
        let key = std::fs::read_to_string(self.dir.join("prod.key")).unwrap();
        let mut command = Command::new("bash");
        command.args(["-eo", "pipefail", "-c", script]).current_dir(&self.dir).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.dir.join("caches")).env("PATH", path());
        command.env("STORE", &self.publisher.store).env("CHANNEL", CHANNEL).env("CATCHMENT_KEY", key);
        command.output().unwrap()
    }
}

/// What a step said.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Scripts by job. Those that speak to the code host are only looked at for whether they are shell.
type Jobs = BTreeMap<String, Vec<String>>;

fn of_github(workflow: &serde_json::Value) -> Jobs {
    let jobs = workflow["jobs"].as_object().expect("jobs").iter();
    jobs.map(|(name, job)| {
        let steps = job["steps"].as_array().expect("steps").iter();
        (name.clone(), steps.filter_map(|step| step["run"].as_str().map(str::to_owned)).collect())
    })
    .collect()
}

fn of_gitlab(file: &serde_json::Value) -> Jobs {
    let jobs = file.as_object().expect("jobs").iter().filter(|(_, job)| job.get("script").is_some());
    jobs.map(|(name, job)| {
        let lines = job["script"].as_array().expect("a script").iter().map(|line| line.as_str().expect("text"));
        let (host, ours): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.contains("curl "));
        (name.clone(), [ours.join("\n")].into_iter().chain(host.into_iter().map(str::to_owned)).collect())
    })
    .collect()
}

/// Runs what a pull request runs, then what main does, with one node.
fn a_change_goes_its_way(label: &str, jobs: &Jobs, findings: impl Fn(&str)) {
    let names: Vec<&str> = jobs.keys().map(String::as_str).collect();
    assert_eq!(names, ["check", "plan", "publish"]);
    let help = run(&["--help"], Path::new(OWN)).1;
    for script in jobs.values().flatten() {
        let output = Command::new("bash").args(["-n", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}\n{}", said(&output));
        for word in script.lines().filter_map(|line| line.trim().strip_prefix("catchment ")?.split(' ').next()) {
            assert!(help.lines().any(|line| line.trim().starts_with(&format!("{word} "))), "{word} is not in:\n{help}");
        }
    }
    let repository = Repository::new(label);
    let all = |name: &str| -> (bool, String) {
        let ours = jobs[name].iter().filter(|script| !script.contains("gh api") && !script.contains("curl "));
        let outputs: Vec<Output> = ours.map(|script| repository.step(script)).collect();
        (outputs.iter().all(|output| output.status.success()), outputs.iter().map(said).collect())
    };
    let plan = || std::fs::read_to_string(repository.dir.join("plan.md")).unwrap();

    // The channel's first release is made by hand.
    assert!(all("check").0);
    repository.publisher.publish().unwrap();
    let node = Node::start(&repository.publisher, 0).unwrap();
    let begun = Instant::now();
    while node.metric("catchment_sync_generation") != Some(1.0) {
        assert!(begun.elapsed() < PATIENCE, "{}", node.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (done, text) = all("publish");
    assert!(done && text.contains("nothing changed: 1.1 stays") && text.contains("the only node serves it"), "{text}");
    let (done, text) = all("plan");
    assert!(done && plan().contains("nothing changes"), "{text}{}", plan());

    // A request that is wrong.
    repository.git(&["checkout", "--quiet", "-b", "change"]).unwrap();
    repository.publisher.write("example.com", &zone(2).replace("www A 192.0.2.2", "www A 192.0.2"));
    repository.commit("A mistake").unwrap();
    let (done, text) = all("check");
    assert!(!done);
    findings(&text);

    // One that is right: read, merged, published, served.
    repository.publisher.write("example.com", &zone(2).replace("www A 192.0.2.2", "www A 192.0.2.9"));
    repository.commit("Another address").unwrap();
    let (done, text) = all("check");
    assert!(done, "{text}");
    let (done, text) = all("plan");
    assert!(done, "{text}");
    assert!(plan().contains("+ www.example.com. 3600 IN A 192.0.2.9"), "{}", plan());
    repository.git(&["checkout", "--quiet", "main"]).unwrap();
    repository.git(&["merge", "--quiet", "--ff-only", "change"]).unwrap();
    let (done, text) = all("publish");
    assert!(done && text.contains("the only node serves it"), "{text}");
    assert_eq!(node.metric("catchment_sync_generation"), Some(2.0));
}

#[test]
fn the_workflow_of_github() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let workflow = yaml(&python, "deploy/ci/github.yml");
    let rights = &workflow["jobs"]["publish"];
    assert_eq!(rights["environment"], "production", "whoever opens a pull request has no key");
    a_change_goes_its_way("ci-github", &of_github(&workflow), |text| {
        assert!(
            text.contains("::error file=zones/example.com.zone,line=5,col=7,endColumn=14::expected an IPv4"),
            "{text}"
        );
    });
}

#[test]
fn the_pipeline_of_gitlab() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let pipeline = yaml(&python, "deploy/ci/gitlab.yml");
    assert_eq!(pipeline["check"]["artifacts"]["reports"]["codequality"], "gl-code-quality-report.json");
    let jobs = of_gitlab(&pipeline);
    assert!(jobs["check"][0].contains("> gl-code-quality-report.json"));
    // The log is for people: as text. It comes after the report, whatever that says.
    a_change_goes_its_way("ci-gitlab", &jobs, |text| {
        assert!(text.contains("--> zones/example.com.zone:5:7"), "{text}");
    });
}

#[test]
fn hooks_look_at_what_is_about_to_be_committed() {
    let repository = Repository::new("ci-hook");
    std::fs::copy(Path::new(OWN).join("deploy/ci/pre-commit"), repository.dir.join(".git/hooks/pre-commit")).unwrap();
    let bad = zone(2).replace("www A 192.0.2.2", "www A 192.0.2");
    repository.publisher.write("example.com", &bad);
    let refused = repository.commit("A mistake").unwrap_err();
    assert!(refused.contains("expected an IPv4 address"), "{refused}");
    // Mended in the working tree alone it is still about to be committed.
    repository.publisher.write("example.com", &zone(2));
    assert!(repository.git(&["commit", "--quiet", "-m", "A mistake"]).is_err());
    repository.commit("Mended").unwrap();
    // And the other way round: what is not yet added is nobody's business.
    repository.publisher.write("example.com", &bad);
    std::fs::write(repository.dir.join("README"), "zones").unwrap();
    repository.git(&["add", "README"]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "Beside it"]).unwrap();
    let log = repository.git(&["log", "--format=%s"]).unwrap();
    assert_eq!(log, "Beside it\nMended\nZones\n");
    // The last zone may go.
    repository.git(&["checkout", "--quiet", "zones"]).unwrap();
    repository.git(&["rm", "--quiet", "-r", "zones"]).unwrap();
    repository.git(&["commit", "--quiet", "-m", "No zones"]).unwrap();
}

#[test]
fn the_hook_for_the_framework() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let hooks = yaml(&python, ".pre-commit-hooks.yaml");
    let hook = &hooks[0];
    assert_eq!(
        (hooks.as_array().unwrap().len(), &hook["id"], &hook["language"]),
        (1, &"catchment-check".into(), &"system".into())
    );
    assert_eq!((&hook["pass_filenames"], &hook["files"]), (&false.into(), &"^zones/".into()));
    let words = hook["entry"].as_str().unwrap().split(' ');
    let words: Vec<&str> =
        words.chain(hook["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap())).collect();
    assert_eq!(words[0], "catchment");
    let repository = Repository::new("ci-framework");
    assert_eq!(run(&words[1..], &repository.dir).0, 0);
    repository.publisher.write("example.com", "www A 192.0.2\n");
    assert_eq!(run(&words[1..], &repository.dir).0, 1);
}

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
    // Its serials are seconds.
    std::thread::sleep(Duration::from_millis(1100));
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
