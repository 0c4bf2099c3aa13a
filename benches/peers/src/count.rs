//! Instructions per request, counted by callgrind.
//!
//! Counted is only what happens while requests are sent. A process sends few of them, another one
//! many: the difference is what requests alone cost. Hash seeds and addresses differ from run to
//! run and shift a count by a little, hence the median of several pairs.

use std::{
    env, fs,
    process::{Command, Stdio},
};

use crate::{
    app::Fallible,
    subject::{BARE, BARE_MANY_TOKENS, MEMORY_STORE, OURS, Subject},
    table::{self, median, number},
};

/// What others add to, and the heading of that table.
struct Base {
    name: &'static str,
    heading: &'static str,
}

const BASES: [Base; 4] = [
    Base { name: BARE, heading: "added to bare" },
    Base { name: BARE_MANY_TOKENS, heading: "added to bare" },
    Base { name: OURS, heading: "added to signed in" },
    Base { name: MEMORY_STORE, heading: "added to signed in" },
];

/// Measures and prints; whether all bars are kept. Of all subjects, not of named ones, those that
/// take minutes are left out.
pub fn measure(subjects: &[&'static Subject], are_named: bool) -> Fallible<bool> {
    let mut counts = Vec::new();
    for subject in subjects.iter().filter(|subject| are_named || !subject.counted_by_name) {
        eprintln!("counting {}", subject.name);
        counts.push((*subject, per_request(subject)?));
    }
    let of = |name: &str| {
        counts
            .iter()
            .find(|(subject, _)| subject.name == name)
            .map(|&(_, count)| count)
            .ok_or("no base")
    };
    let mut all_within = true;
    println!("\nInstructions of one request: medians of differences");
    for base in BASES {
        let mut rows = Vec::new();
        for (subject, count) in counts.iter().filter(|(subject, _)| subject.base == base.name) {
            let added = count - of(base.name)?;
            all_within &= subject.bar.is_none_or(|bar| added <= bar);
            rows.push(row(subject, *count, added));
        }
        if !rows.is_empty() {
            println!();
            table::print(&["", "instructions", base.heading, "goal", "bar", ""], rows);
        }
    }
    Ok(all_within)
}

fn row(subject: &Subject, count: i64, added: i64) -> Vec<String> {
    let verdict = match (subject.goal, subject.bar) {
        (_, Some(bar)) if added > bar => "bar missed",
        (Some(goal), _) if added > goal => "goal missed",
        (Some(_), _) => "reached",
        (None, _) => "",
    };
    let limit = |limit: Option<i64>| limit.map_or_else(String::new, number);
    vec![
        subject.about.to_owned(),
        number(count),
        number(added),
        limit(subject.goal),
        limit(subject.bar),
        verdict.to_owned(),
    ]
}

fn per_request(subject: &Subject) -> Fallible<i64> {
    let (few, many) = subject.requests;
    let mut differences = Vec::new();
    for _ in 0..subject.pairs {
        let difference = callgrind(subject, many)? - callgrind(subject, few)?;
        differences.push((difference as f64 / (many - few) as f64).round() as i64);
    }
    Ok(median(&differences))
}

/// The instructions of a whole process.
fn callgrind(subject: &Subject, requests: u64) -> Fallible<i64> {
    let binary = env::current_exe()?;
    let profile = binary.with_file_name(format!("callgrind.{}", subject.name));
    let mut profile_option = std::ffi::OsString::from("--callgrind-out-file=");
    profile_option.push(&profile);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*send_measured*"])
        .arg(profile_option)
        .arg(&binary)
        .args(["run", subject.name, &requests.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", subject.name, String::from_utf8_lossy(&output.stderr)).into());
    }
    let text = fs::read_to_string(&profile)?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .ok_or("callgrind wrote no total")?;
    Ok(total.trim().parse()?)
}
