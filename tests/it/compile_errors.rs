//! Compiler errors for likely mistakes: the message contains the remedy.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The library that was built for these tests, found by compiling a correct program.
struct Compiler {
    folder: PathBuf,
    library: PathBuf,
    scratch: PathBuf,
}

impl Compiler {
    fn new() -> Self {
        let folder = env::current_exe().unwrap().parent().unwrap().to_owned();
        let scratch =
            env::temp_dir().join(format!("tower-identity-compile-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();
        let is_ours = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libtower_identity-") && name.ends_with(".rlib")
        };
        let mut libraries: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(is_ours)
            .collect();
        // Others were built with other features, or before a change.
        libraries
            .sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().modified().unwrap()));
        let right = "fn main() {
            let guard = tower_identity::require_sign_in();
            let _ = guard.with_roles(\"Admin\").with_scopes([\"a\", \"b\"]);
        }";
        for library in libraries {
            let compiler = Self { folder: folder.clone(), library, scratch: scratch.clone() };
            if compiler.run(right).status.success() {
                return compiler;
            }
        }
        panic!("no library in {} compiles a program that is right", folder.display());
    }

    fn run(&self, program: &str) -> Output {
        let source = self.scratch.join("main.rs");
        fs::write(&source, program).unwrap();
        let path = |name: &str, path: &Path| format!("{name}={}", path.display());
        Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--emit=metadata", "--crate-name=mistake"])
            .args(["--extern", &path("tower_identity", &self.library)])
            .args(["-L", &path("dependency", &self.folder)])
            .arg("--out-dir")
            .arg(&self.scratch)
            .arg(source)
            .output()
            .unwrap()
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "a forgotten build",
        "fn main() -> Result<(), tower_identity::ConfigError> {
            let authority = tower_identity::Authority::oidc(\"https://a.example\")?;
            let config = tower_identity::IdentityConfig::new(authority, \"c\");
            let _ = tower_identity::IdentityLayer::new(config);
            Ok(())
        }",
        &["is not a checked configuration", "call `.build()?`"],
    ),
    (
        "a forgotten question mark",
        "fn main() -> Result<(), tower_identity::ConfigError> {
            let authority = tower_identity::Authority::oidc(\"https://a.example\")?;
            let config = tower_identity::IdentityConfig::new(authority, \"c\");
            let _ = tower_identity::IdentityLayer::new(config.build());
            Ok(())
        }",
        &["is not a checked configuration", "with `?`"],
    ),
    (
        "a forgotten build, without Tower",
        "fn main() -> Result<(), tower_identity::ConfigError> {
            let authority = tower_identity::Authority::oidc(\"https://a.example\")?;
            let config = tower_identity::IdentityConfig::new(authority, \"c\");
            let _ = tower_identity::WebAuth::new(config)?;
            Ok(())
        }",
        &["is not a checked configuration", "call `.build()?`"],
    ),
    (
        "a store of another version",
        "trait SessionStore {}
        struct OtherStore;
        impl SessionStore for OtherStore {}
        fn with(layer: tower_identity::IdentityLayer) {
            let _ = layer.with_store(OtherStore);
        }
        fn main() {}",
        &[
            "`OtherStore` is not a session store of `tower-sessions-core` 0.14",
            "tower-sessions` 0.15",
            "cargo tree",
        ],
    ),
    (
        "scopes that are none",
        "async fn token(tokens: tower_identity::Tokens) {
            let _ = tokens.for_user(7).await;
        }
        fn main() {}",
        &["is neither a string nor a list of strings", "User.Read"],
    ),
    (
        "roles that are no texts",
        "enum Role { Admin }
        fn main() {
            let _ = tower_identity::require_sign_in().with_roles([Role::Admin]);
        }",
        &["is neither a string nor a list of strings"],
    ),
    (
        "a user in place of the tokens",
        "use tower_identity::{Error, User, outgoing::ApiClient};
        async fn me(api: &ApiClient, user: User) -> Result<String, Error> {
            api.get_json(&user, \"/me\").await
        }
        fn main() {}",
        &["`User` is no source of access tokens", "`&user.tokens()`"],
    ),
    (
        "a pool in place of a lock",
        "struct Pool;
        fn with(layer: tower_identity::IdentityLayer) {
            let _ = layer.with_refresh_lock(Pool);
        }
        fn main() {}",
        &["`Pool` is no refresh lock", "`RedisLock` (feature `redis`)"],
    ),
];

#[test]
fn a_mistake_in_the_set_up_is_a_compile_error_that_says_what_to_do() {
    let compiler = Compiler::new();
    for (mistake, program, words) in MISTAKES {
        let output = compiler.run(program);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{mistake} compiles");
        for word in *words {
            assert!(said.contains(word), "{mistake}: {word:?} is not in\n{said}");
        }
    }
}
