//! A change goes its way through the workflow of each host: a request whose zones are wrong, one that is right and grows, the comment under it,
//! and what main does. Every job of the files runs, with every step, in a clone that the runner makes.

use crate::forge::{Comment, Forge, Kind, TOKEN};
use crate::support::catchment::{chaos, run, zone};
use crate::support::fleet::{CHANNEL, Node, Publisher};
use crate::support::peers::Peers;
use crate::support::process::TempDir;
use crate::support::skip;
use crate::support::workflow::{Context, Job, Repository, of_github, of_gitlab, path, python, said, yaml};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// More comments than are on a page.
const DISCUSSION: usize = 120;

/// What happened in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Commits on the branch of request 5.
    Request,
    /// Commits on main.
    Push,
}

/// A host with a repository, a store, and a runner.
struct Host {
    kind: Kind,
    workflow: Value,
    forge: Forge,
    publisher: Publisher,
    repository: Repository,
    /// What the runner keeps between jobs.
    home: TempDir,
    /// Programs that the runner has beside the system's.
    programs: TempDir,
}

/// A job that was run, and its log.
struct Ran {
    job: String,
    done: bool,
    log: String,
    workspace: TempDir,
}

impl Host {
    /// The error says why there can't be one here.
    fn new(kind: Kind, label: &str, file: &str) -> Result<Host, String> {
        let (python, peers) = (python()?, Peers::find()?);
        let programs = TempDir::new("ci-programs");
        for (name, key) in [("gh", "GH"), ("curl", "CURL"), ("jq", "JQ")] {
            let words = peers.words(key)?;
            let program = programs.write(name, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")));
            std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let publisher = Publisher::new(label, None).unwrap();
        publisher.write("example.com", &zone(1));
        let repository = Repository::of(&publisher.zones());
        let (workflow, forge) = (yaml(&python, file), Forge::start(kind));
        Ok(Host { kind, workflow, forge, publisher, repository, home: TempDir::new("ci-home"), programs })
    }

    fn key(&self) -> String {
        std::fs::read_to_string(self.repository.dir.join("prod.key")).unwrap()
    }

    /// The jobs that an event starts.
    fn jobs(&self, event: Event) -> Vec<Job> {
        let (store, key, token) = (self.publisher.store.clone(), self.key(), TOKEN.to_owned());
        match self.kind {
            Kind::GitHub => {
                let name = if event == Event::Request { "pull_request" } else { "push" };
                let context = Context::from([
                    ("github.event_name", name.to_owned()),
                    ("github.event.pull_request.number", "5".to_owned()),
                    ("github.token", token),
                    ("vars.CATCHMENT_STORE", store),
                    ("secrets.CATCHMENT_KEY", key),
                    ("$GITHUB_REPOSITORY", "example/zones".to_owned()),
                    // `gh` speaks without TLS to this name alone, and to us as its proxy.
                    ("$GH_HOST", "github.localhost".to_owned()),
                    ("$HTTP_PROXY", self.forge.url()),
                ]);
                of_github(&self.workflow, &context)
            }
            Kind::GitLab => {
                let mut context = Context::from([
                    ("$CI_API_V4_URL", format!("{}/api/v4", self.forge.url())),
                    ("$CI_PROJECT_ID", "42".to_owned()),
                    ("$COMMENT_TOKEN", token),
                    ("$STORE", store),
                ]);
                // A protected variable is given to protected branches alone.
                context.extend(match event {
                    Event::Request => [
                        ("$CI_PIPELINE_SOURCE", "merge_request_event".to_owned()),
                        ("$CI_MERGE_REQUEST_IID", "5".to_owned()),
                        ("$CI_COMMIT_BRANCH", String::new()),
                    ],
                    Event::Push => [
                        ("$CI_PIPELINE_SOURCE", "push".to_owned()),
                        ("$CI_COMMIT_BRANCH", "main".to_owned()),
                        ("$CATCHMENT_KEY", key),
                    ],
                });
                of_gitlab(&self.workflow, &context)
            }
        }
    }

    /// Runs those jobs, up to the first that fails.
    fn run(&self, event: Event) -> Vec<Ran> {
        let branch = if event == Event::Request { "change" } else { "main" };
        let mut all = Vec::new();
        for job in self.jobs(event) {
            let workspace = self.repository.check_out(branch);
            let (mut done, mut log) = (true, String::new());
            for step in &job.steps {
                // Whoever opens a request decides what runs there.
                assert_eq!(step.knows(&self.key()), event == Event::Push, "{}: the key", job.name);
                let mut command = step.command(workspace.path(), self.home.path());
                command.env("PATH", format!("{}:{}", self.programs.path().display(), path()));
                let output = command.output().unwrap();
                log.push_str(&said(&output));
                done = output.status.success();
                if !done {
                    break;
                }
            }
            all.push(Ran { job: job.name, done, log, workspace });
            if !done {
                break;
            }
        }
        all
    }

    /// Runs them; they are these, and all is well.
    fn all_done(&self, event: Event, names: &[&str]) -> Vec<Ran> {
        let all = self.run(event);
        for ran in &all {
            assert!(ran.done, "{}:\n{}", ran.job, ran.log);
        }
        assert_eq!(all.iter().map(|ran| ran.job.as_str()).collect::<Vec<_>>(), names);
        all
    }

    /// A request is checked and planned: the comment under it, which is the only one of ours, says what the plan does.
    fn requested(&self) -> Comment {
        let all = self.all_done(Event::Request, &["check", "plan"]);
        let plan = std::fs::read_to_string(all[1].workspace.path().join("plan.md")).unwrap();
        let mark = format!("<!-- catchment plan {CHANNEL} -->\n");
        let mut ours = self.forge.comments();
        ours.retain(|comment| comment.body.starts_with(&mark));
        assert_eq!(ours.len(), 1, "{ours:?}");
        assert_eq!(ours[0].body, format!("{mark}{plan}"));
        ours.remove(0)
    }

    /// Writes the zone with this address, and commits it.
    fn change(&self, serial: u32, www: &str) {
        self.publisher.write("example.com", &zone(serial).replace("www A 192.0.2.2", &format!("www A {www}")));
        self.repository.commit(&format!("www is {www}")).unwrap();
    }
}

/// Words after `catchment` are commands of ours.
fn commands_are_ours(host: &Host) {
    let help = run(&["--help"], Path::new(env!("CARGO_MANIFEST_DIR"))).1;
    let jobs = [Event::Request, Event::Push].into_iter().flat_map(|event| host.jobs(event));
    let steps: Vec<_> = jobs.flat_map(|job| job.steps).collect();
    let lines = steps.iter().flat_map(|step| step.script.lines());
    let words: Vec<&str> = lines.filter_map(|line| line.trim().strip_prefix("catchment ")?.split(' ').next()).collect();
    assert!(["check", "plan", "publish"].iter().all(|word| words.contains(word)), "{words:?}");
    for word in words {
        assert!(help.lines().any(|line| line.trim().starts_with(&format!("{word} "))), "{word} is not in:\n{help}");
    }
}

fn a_change_goes_its_way(host: &Host, findings: impl Fn(&Ran)) {
    commands_are_ours(host);
    // The channel's first release is made by hand.
    host.publisher.publish().unwrap();
    let node = Node::start(&host.publisher, 0).unwrap();
    let begun = Instant::now();
    while chaos(node.addr, "generation.server").as_deref() != Some("1.1") {
        assert!(begun.elapsed() < PATIENCE, "{}", node.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let published = host.all_done(Event::Push, &["publish"]);
    let log = &published[0].log;
    assert!(log.contains("nothing changed: 1.1 stays") && log.contains("the only node serves it"), "{log}");

    // A request that is wrong goes no further than to the line that is.
    host.repository.git(&["checkout", "--quiet", "-b", "change"]).unwrap();
    host.change(2, "192.0.2");
    let ran = host.run(Event::Request);
    assert_eq!(ran.iter().map(|ran| (ran.job.as_str(), ran.done)).collect::<Vec<_>>(), [("check", false)]);
    findings(&ran[0]);
    assert!(host.forge.comments().is_empty());

    // One that changes nothing yet; then it does, while others discuss it.
    host.change(1, "192.0.2.2");
    host.forge.discuss(DISCUSSION);
    let first = host.requested();
    assert!(first.body.contains("nothing changes"), "{}", first.body);
    host.forge.discuss(DISCUSSION);
    for (serial, www) in [(2, "192.0.2.8"), (3, "192.0.2.9")] {
        host.change(serial, www);
        let comment = host.requested();
        assert_eq!(comment.id, first.id, "it is the same comment");
        assert!(comment.body.contains(&format!("+ www.example.com. 3600 IN A {www}")), "{}", comment.body);
        assert!(serial == 2 || !comment.body.contains("192.0.2.8"), "{}", comment.body);
    }
    assert_eq!(host.forge.comments().len(), 2 * DISCUSSION + 1);

    // A host that is out of order fails the job, and nothing is said twice afterwards.
    host.forge.set_broken(true);
    let ran = host.run(Event::Request);
    assert_eq!(
        ran.iter().map(|ran| (ran.job.as_str(), ran.done)).collect::<Vec<_>>(),
        [("check", true), ("plan", false)]
    );
    host.forge.set_broken(false);
    host.requested();

    // Merged, published, served.
    host.repository.git(&["checkout", "--quiet", "main"]).unwrap();
    host.repository.git(&["merge", "--quiet", "--ff-only", "change"]).unwrap();
    let published = host.all_done(Event::Push, &["publish"]);
    assert!(published[0].log.contains("the only node serves it"), "{}", published[0].log);
    assert_eq!(chaos(node.addr, "generation.server").as_deref(), Some("1.2"));
}

#[test]
fn the_workflow_of_github() {
    let host = match Host::new(Kind::GitHub, "ci-github", "deploy/ci/github.yml") {
        Ok(host) => host,
        Err(why) => return skip(why),
    };
    assert_eq!(host.workflow["jobs"]["publish"]["environment"], "production", "whoever opens a request has no key");
    a_change_goes_its_way(&host, |ran| {
        // The runner makes an annotation of it, at its line.
        let annotation = "::error file=zones/example.com.zone,line=5,col=7,endColumn=14::expected an IPv4";
        assert!(ran.log.lines().any(|line| line.starts_with(annotation)), "{}", ran.log);
    });
}

#[test]
fn the_pipeline_of_gitlab() {
    let host = match Host::new(Kind::GitLab, "ci-gitlab", "deploy/ci/gitlab.yml") {
        Ok(host) => host,
        Err(why) => return skip(why),
    };
    let report = host.workflow["check"]["artifacts"]["reports"]["codequality"].as_str().unwrap().to_owned();
    a_change_goes_its_way(&host, |ran| {
        // The log is for people; the report, which is there all the same, is shown at its line.
        assert!(ran.log.contains("--> zones/example.com.zone:5:7"), "{}", ran.log);
        let report = std::fs::read(ran.workspace.path().join(&report)).unwrap();
        let report: Value = serde_json::from_slice(&report).unwrap();
        let finding = &report[0];
        assert_eq!(report.as_array().unwrap().len(), 1, "{report}");
        assert_eq!(finding["location"]["path"], "zones/example.com.zone", "{finding}");
        assert_eq!(finding["location"]["lines"]["begin"], 5, "{finding}");
        assert!(finding["description"].as_str().unwrap().contains("expected an IPv4"), "{finding}");
        for field in ["check_name", "fingerprint", "severity"] {
            assert!(finding[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {finding}");
        }
    });
}
