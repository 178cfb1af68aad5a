//! deploy/ci as the runner of a code host has it: a repository of zones, and the jobs of a workflow, which run in a clone of it with the
//! environment that they are given, and no other.

use super::process::TempDir;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

const OWN: &str = env!("CARGO_MANIFEST_DIR");

/// Programs from PyPI, in a virtual environment of their own. The error says why there is none.
pub(crate) fn python() -> Result<PathBuf, String> {
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
pub(crate) fn done_by(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?}: {}", said(&output))),
    }
}

/// What a command said.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A YAML file of ours as JSON.
pub(crate) fn yaml(python: &Path, file: &str) -> Value {
    let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1])), default=str))";
    let text = done_by(Command::new(python.join("python")).args(["-c", script]).arg(Path::new(OWN).join(file)));
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// The path with `catchment` before all else.
pub(crate) fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_catchment")).parent().unwrap();
    format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default())
}

/// A repository in the directory of a publisher: its zones and its key set are in it, its keys are not.
pub(crate) struct Repository {
    /// Its working tree.
    pub(crate) dir: PathBuf,
}

impl Repository {
    /// Makes it, with the zones that are there.
    pub(crate) fn of(zones: &Path) -> Repository {
        let repository = Repository { dir: zones.parent().unwrap().to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]).unwrap();
        repository.commit("Zones").unwrap();
        repository
    }

    /// Copies deploy/ci/pre-commit to where git looks for it.
    pub(crate) fn install_hook(&self) {
        let hook = Path::new(OWN).join("deploy/ci/pre-commit");
        std::fs::copy(hook, self.dir.join(".git/hooks/pre-commit")).unwrap();
    }

    /// Runs git in it.
    pub(crate) fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let who = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
        done_by(Command::new("git").args(who).args(arguments).current_dir(&self.dir).env("PATH", path()))
    }

    /// Commits what is in the zones.
    pub(crate) fn commit(&self, message: &str) -> Result<String, String> {
        self.git(&["add", "zones", "prod.keyset"])?;
        self.git(&["commit", "--quiet", "-m", message])
    }

    /// A clone in which a job works.
    pub(crate) fn check_out(&self, branch: &str) -> TempDir {
        let workspace = TempDir::new("ci-workspace");
        let (from, to) = (self.dir.display().to_string(), workspace.path().display().to_string());
        self.git(&["clone", "--quiet", "--branch", branch, &from, &to]).unwrap();
        workspace
    }
}

/// What a workflow can ask of the host: `github.token`. What begins with a `$` is a variable of every script, too: `$CI_COMMIT_BRANCH`.
pub(crate) type Context = BTreeMap<&'static str, String>;

/// A job that is to run.
pub(crate) struct Job {
    /// Its name.
    pub(crate) name: String,
    /// The jobs before it.
    needs: Vec<String>,
    /// What it runs, in order.
    pub(crate) steps: Vec<Step>,
}

/// A script, and all that its environment has.
pub(crate) struct Step {
    /// Its name.
    pub(crate) name: String,
    /// Words before the script.
    shell: &'static [&'static str],
    /// The script.
    pub(crate) script: String,
    env: BTreeMap<String, String>,
}

impl Step {
    /// The command, in a workspace. `home`: what a runner keeps between jobs.
    pub(crate) fn command(&self, workspace: &Path, home: &Path) -> Command {
        let mut command = Command::new(self.shell[0]);
        command.args(&self.shell[1..]).arg("-c").arg(&self.script).current_dir(workspace).stdin(Stdio::null());
        command.env_clear().env("PATH", path()).env("HOME", home).env("LANG", "C.UTF-8").envs(&self.env);
        command
    }

    /// Whether a script is given this.
    pub(crate) fn knows(&self, secret: &str) -> bool {
        self.env.values().any(|value| value.contains(secret))
    }
}

/// The jobs of a workflow of GitHub's that this context asks for, each after those that it needs.
pub(crate) fn of_github(workflow: &Value, context: &Context) -> Vec<Job> {
    assert!(workflow.get("defaults").is_none(), "they are not known here");
    let wanted = workflow["jobs"].as_object().expect("jobs").iter();
    let jobs = wanted.filter(|(_, job)| job["if"].as_str().is_none_or(|asked| holds(asked, context)));
    let job = |(name, job): (&String, &Value)| {
        // Secrets of an environment are for the jobs that name it.
        let mut context = context.clone();
        if job["environment"] != "production" {
            context.insert("secrets.CATCHMENT_KEY", String::new());
        }
        let step = |step: &Value| {
            let mut env = variables(&context);
            for level in [workflow, job, step] {
                env.extend(texts(&level["env"]).map(|(name, value)| (name, substituted(&value, &context))));
            }
            let script = step["run"].as_str()?.to_owned();
            // The host's own default: a pipe fails with its last command alone.
            let shell = &["bash", "-e"];
            Some(Step { name: step["name"].as_str().expect("a name").into(), shell, script, env })
        };
        let steps = job["steps"].as_array().expect("steps").iter().filter_map(step).collect();
        Job { name: name.clone(), needs: job["needs"].as_str().map(str::to_owned).into_iter().collect(), steps }
    };
    in_order(jobs.map(job).collect())
}

/// The same of GitLab's: the lines of a job are one script.
pub(crate) fn of_gitlab(file: &Value, context: &Context) -> Vec<Job> {
    let stages: Vec<&str> =
        file["stages"].as_array().expect("stages").iter().map(|stage| stage.as_str().unwrap()).collect();
    let wanted = |job: &Value| {
        let mut rules = job["rules"].as_array().expect("rules").iter();
        rules.any(|rule| holds(rule["if"].as_str().expect("a condition"), context))
    };
    let all = file.as_object().expect("jobs").iter().filter(|(_, job)| job.get("script").is_some());
    let mut env: BTreeMap<String, String> = texts(&file["variables"]).collect();
    env.extend(variables(context));
    let job = |(name, job): (&String, &Value)| {
        let lines = job["script"].as_array().expect("a script").iter().map(|line| line.as_str().expect("text"));
        let script = lines.collect::<Vec<_>>().join("\n");
        let stage = stages.iter().position(|stage| job["stage"] == *stage).expect("a stage of the list");
        let before =
            file.as_object().unwrap().iter().filter(|(_, other)| stages[..stage].iter().any(|s| other["stage"] == *s));
        let needs = before.map(|(name, _)| name.clone()).collect();
        let step = Step { name: name.clone(), shell: &["bash", "-eo", "pipefail"], script, env: env.clone() };
        Job { name: name.clone(), needs, steps: vec![step] }
    };
    in_order(all.filter(|(_, job)| wanted(job)).map(job).collect())
}

/// Each after those of them that it needs.
fn in_order(mut jobs: Vec<Job>) -> Vec<Job> {
    let mut ordered: Vec<Job> = Vec::new();
    while !jobs.is_empty() {
        let open: Vec<String> = jobs.iter().map(|job| job.name.clone()).collect();
        let next = jobs.iter().position(|job| !job.needs.iter().any(|needed| open.contains(needed)));
        ordered.push(jobs.remove(next.expect("no job waits for itself")));
    }
    ordered
}

/// What every script is given.
fn variables(context: &Context) -> BTreeMap<String, String> {
    context.iter().filter_map(|(name, value)| Some((name.strip_prefix('$')?.to_owned(), value.clone()))).collect()
}

fn texts(object: &Value) -> impl Iterator<Item = (String, String)> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()))
}

/// What the host knows under a name. One that nobody has given is a mistake of the workflow's, or of the test's.
fn known<'a>(name: &str, context: &'a Context) -> &'a str {
    context.get(name).unwrap_or_else(|| panic!("{name}: the host knows no such thing"))
}

/// Puts what the host knows in place of `${{ NAME }}`.
fn substituted(text: &str, context: &Context) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (name, after) = after.split_once("}}").expect("}}");
        out.push_str(before);
        out.push_str(known(name.trim(), context));
        rest = after;
    }
    out + rest
}

/// Whether a condition is true: comparisons with texts, and `&&` between them.
fn holds(condition: &str, context: &Context) -> bool {
    condition.split(" && ").all(|part| {
        let (name, text) = part.split_once(" == ").expect("a comparison");
        known(name, context) == text.trim_matches(['\'', '"'])
    })
}
