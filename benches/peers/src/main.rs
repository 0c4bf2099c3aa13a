//! What a signed-in request costs: tower-identity beside bare axum and the crates that would be
//! used otherwise. `benches/run` is the way in.

use std::{env, process::ExitCode};

use tokio::runtime::Runtime;

use peers::{
    app::{self, Fallible, Runner},
    count, flood, http, provider, storm,
    subject::{self, SUBJECTS, Stage, Subject},
    table, time,
};

const USAGE: &str = "peers list                         the subjects
peers time [SUBJECT…]              nanoseconds per request
peers count [--check] [SUBJECT…]   instructions per request; --check: fail if a bar is missed
peers storm                        requests per second and provider calls when many find one token
                                   expired
peers flood                        callbacks by the thousand at a provider that does not answer;
                                   fails above its bars
peers http                         requests per second over HTTP, beside bare axum
peers serve NAME REDIS             a server that `http` starts; ends with its standard input
peers run SUBJECT COUNT            send COUNT requests, for a profiler
peers provider [TOKENS]            the provider of the others; ends with its standard input";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match command(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn command(arguments: &[String]) -> Fallible<ExitCode> {
    let (command, rest) = arguments.split_first().ok_or(USAGE)?;
    match command.as_str() {
        "list" => {
            let rows = SUBJECTS
                .iter()
                .map(|subject| vec![subject.name.into(), subject.about.into()])
                .collect();
            table::print(&["subject", "what is measured"], rows);
        }
        "time" => time::measure(&subject::chosen(rest)?)?,
        "count" => {
            let check = rest.first().is_some_and(|first| first == "--check");
            let names = &rest[usize::from(check)..];
            let all_within = count::measure(&subject::chosen(names)?, !names.is_empty())?;
            if check && !all_within {
                return Ok(ExitCode::FAILURE);
            }
        }
        "run" => {
            let [name, count] = rest else { return Err(USAGE.into()) };
            run(Subject::named(name)?, count.parse()?)?;
        }
        "storm" => storm::measure()?,
        "flood" => {
            if !flood::measure()? {
                return Ok(ExitCode::FAILURE);
            }
        }
        "http" => http::measure()?,
        "serve" => {
            let [name, redis] = rest else { return Err(USAGE.into()) };
            http::serve(name, redis)?;
        }
        "provider" => {
            let tokens = rest.first().map_or(Ok(0), |count| count.parse())?;
            provider::serve(tokens)?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn run(subject: &Subject, count: u64) -> Fallible<()> {
    let (runtime, stage) = (app::runtime()?, Stage::default());
    // As many as in the long run of a count, so that a short run is prepared alike.
    let runner = runtime.block_on(subject.prepare(&stage, count.max(subject.requests.1)))?;
    send_measured(&runtime, &runner, count);
    Ok(())
}

/// What a profiler looks at: it knows this function by its name.
#[inline(never)]
fn send_measured(runtime: &Runtime, runner: &Runner, count: u64) {
    runtime.block_on(runner.batch(count));
    // Not the last call: the profiler has to see the end of this function.
    std::hint::black_box(count);
}
