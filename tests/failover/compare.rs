//! For comparison: what other announcers do in the same lab, behind BIRD.

use crate::faults::{Fault, Outcome, Run, Target};
use crate::lab::{Kind, Lab};
use crate::pop::{Announcer, Setup, USUAL};
use crate::support::process::tree;
use crate::topology::Family;
use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// Longer than a hold time of 90 s.
const PATIENCE: Duration = Duration::from_secs(120);
/// A route that stays so long while nobody answers would stay longer.
const STAYS: Duration = Duration::from_secs(30);

fn bird() -> Setup {
    Setup { announcer: Announcer::Bird, bfd: false, ..USUAL }
}

fn exabgp() -> Setup {
    Setup { announcer: Announcer::ExaBgp, bfd: false, ..USUAL }
}

const fn row(name: &'static str, run: fn(&mut Lab) -> Run) -> Fault {
    Fault { name, target: Target::Checked, target_text: "", routers: &[Kind::Bird], slow: true, run }
}

/// All of them.
pub(crate) const COMPARISONS: &[Fault] = &[
    row("BIRD announces, host cut off, hold 90 s", |lab| cut_off(lab, &Setup { hold_secs: 90, ..bird() })),
    row("BIRD announces, host cut off, hold 9 s", |lab| cut_off(lab, &bird())),
    row("BIRD announces, host cut off, BFD 100 ms x 3", |lab| cut_off(lab, &Setup { bfd: true, ..bird() })),
    row("BIRD announces, server killed (-9)", |lab| {
        lab.settle(&bird(), &bird())?;
        stays(lab, |lab| lab.one.signal_server(SIGKILL))
    }),
    row("ExaBGP's health check each second x 3, server killed (-9)", |lab| {
        lab.settle(&exabgp(), &bird())?;
        moves(lab, |lab| lab.one.signal_server(SIGKILL))
    }),
    row("ExaBGP's health check stopped (SIGSTOP), then server killed (-9)", |lab| {
        lab.settle(&exabgp(), &bird())?;
        stop_health_checks(lab)?;
        stays(lab, |lab| lab.one.signal_server(SIGKILL))
    }),
];

fn cut_off(lab: &mut Lab, setup: &Setup) -> Run {
    lab.settle(setup, &bird())?;
    moves(lab, |lab| lab.net.cut_off("p1"))
}

fn moves(lab: &mut Lab, act: impl FnOnce(&mut Lab) -> Result<(), String>) -> Run {
    let from = Instant::now();
    act(lab)?;
    lab.wait_moved(2, PATIENCE)?;
    Ok(Outcome { figures: Some(lab.figures(from)), ..Outcome::default() })
}

/// The route is there as long as it is watched, though nobody answers behind it.
fn stays(lab: &mut Lab, act: impl FnOnce(&mut Lab) -> Result<(), String>) -> Run {
    let from = Instant::now();
    act(lab)?;
    while from.elapsed() < STAYS {
        for family in Family::BOTH {
            if lab.router.routes(&lab.net, family)? != [1, 2] || lab.client.served_by(family) == Some(2) {
                return Err(format!("{}: the route did not stay", family.name()));
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let notes = vec![format!("the route stayed, as long as it was watched: {} s", STAYS.as_secs())];
    Ok(Outcome { figures: Some(lab.figures(from)), notes, ..Outcome::default() })
}

fn stop_health_checks(lab: &Lab) -> Result<(), String> {
    let exabgp = lab.one.announcer.as_ref().ok_or("ExaBGP does not run")?.pid();
    let command = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let checks: Vec<u32> = tree(exabgp).into_iter().filter(|pid| command(pid).contains("healthcheck")).collect();
    if checks.len() < Family::BOTH.len() {
        return Err(format!("ExaBGP has {} health checks", checks.len()));
    }
    let stop = |pid: &u32| kill(Pid::from_raw(*pid as i32), SIGSTOP).map_err(|error| error.to_string());
    checks.iter().try_for_each(stop)
}
