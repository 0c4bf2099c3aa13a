//! An example of the repository as a process, and the walk of a user through its provider.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Once,
};

use crate::{
    browser::{Browser, Tab},
    process::EndedChild,
};

/// A running example, which ends with the test.
pub struct Example {
    _process: EndedChild,
    pub url: String,
    /// The output up to the line with the URL.
    pub said: String,
}

impl Example {
    /// Builds all examples once, and starts one on a free port.
    pub fn run(name: &str) -> Child {
        Self::run_as(name, &[])
    }

    pub fn run_as(name: &str, variables: &[(&str, &str)]) -> Child {
        static BUILD: Once = Once::new();
        BUILD.call_once(|| {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--examples"])
                .status()
                .unwrap();
            assert!(built.success(), "the examples do not build");
        });
        // This test is `target/debug/deps/it-…`, the examples are in `target/debug/examples`.
        let directory: PathBuf =
            std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples");
        let variables = [("LISTEN", "127.0.0.1:0")].into_iter().chain(variables.iter().copied());
        Command::new(directory.join(name)).envs(variables).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Starts an example and waits for the URL that it prints.
    pub fn start(name: &str) -> Self {
        Self::start_as(name, &[])
    }

    /// Starts an example with these environment variables.
    pub fn start_as(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Self::run_as(name, variables);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (mut url, mut before) = (None, String::new());
        while url.is_none() {
            let line = lines.next().expect("the example prints no address").unwrap();
            url = line.find("http://localhost:").map(|start| {
                let port: String =
                    line[start + 17..].chars().take_while(char::is_ascii_digit).collect();
                format!("http://localhost:{port}")
            });
            before += &line;
        }
        // The rest of the output is read and dropped, so that the example does not block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { _process: EndedChild(process), url: url.unwrap(), said: before }
    }

    /// Opens a page and picks Ada at the development provider.
    pub async fn sign_in(&self, browser: &Browser, path: &str) -> Tab {
        let mut tab = browser.tab();
        let picker = tab.open(format!("{}{path}", self.url)).await;
        assert_eq!(picker.url.host_str(), Some("127.0.0.1"), "{}", picker.body);
        let form = picker.form().press("ada");
        tab.submit(form).await;
        if tab.page().url.host_str() == Some("127.0.0.1") {
            let consent = tab.page().form().press("Allow");
            tab.submit(consent).await;
        }
        tab
    }
}

/// Fills in the development provider's pages as `person` until the browser returns to the
/// application.
pub async fn answer(tab: &mut Tab, person: &str) {
    for _ in 0..4 {
        if tab.page().url.host_str() == Some("localhost") {
            return;
        }
        let form = tab.page().form();
        let choices: Vec<&String> =
            form.buttons.iter().flat_map(|(_, value, text)| [value, text]).collect();
        let choice = if choices.iter().any(|choice| *choice == person) { person } else { "Allow" };
        tab.submit(form.press(choice)).await;
    }
    panic!("the provider asks and asks: {}", tab.page().body);
}
