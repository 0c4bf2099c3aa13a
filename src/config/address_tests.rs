//! The validation of addresses and paths by `build()`.

use super::{tests::*, *};
use crate::authority::{Authority, B2cPolicies};

// C-448: http base URL with secure cookies; `none` alg; scope without openid; missing secret
#[test]
fn http_is_for_loopback_hosts_only() {
    for refused in [
        "http://app.example.com",
        "http://127.0.0.1.nip.io",
        "http://app.localhost",
        "ftp://app.example.com",
        "app.example.com",
        "",
        "https://",
    ] {
        assert_eq!(config().with_base_url(refused).unwrap_err().setting(), "base_url", "{refused}");
    }
    for url in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:3000"] {
        let valid = built(|config| config.with_base_url(url).unwrap());
        assert_eq!((valid.secure(), valid.origin()), (false, url));
    }
    for refused in [
        "https://user:hush@app.example.com",
        "https://app.example.com?a",
        "https://app.example.com#a",
        "https://app.example.com/a//b",
        "https://app.example.com/a%2Fb",
    ] {
        let error = config().with_base_url(refused).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
    let error = config().with_base_url("https://app.example.com/x?y=1").unwrap_err().to_string();
    assert!(error.contains("https://app.example.com/x"), "{error}");
    let error = config().with_base_url("http://app.example.com").unwrap_err().to_string();
    assert!(error.contains("without TLS"), "{error}");
}

// C-347: unknown Host on a multi-host service
#[test]
fn the_redirect_address_lies_under_the_base_url() {
    let with = |uri: &str| config().with_redirect_uri(uri);
    assert_eq!(
        with("https://app.example.com/signin-oidc").unwrap().build().unwrap().paths().callback,
        "/signin-oidc"
    );
    refuses(
        with("https://other.example.com/auth/callback").unwrap(),
        "redirect_uri",
        "is not at https://app.example.com",
    );
    refuses(with("http://localhost:3000/auth/callback").unwrap(), "redirect_uri", "is not at");
    refuses(
        with("https://app.example.com/a").unwrap().with_callback_path("/b"),
        "redirect_uri",
        "contradicts",
    );
    assert!(with("https://app.example.com/a").unwrap().with_callback_path("/a").build().is_ok());
    let under =
        |uri: &str| with(uri).unwrap().with_base_url("https://app.example.com/app/").unwrap();
    refuses(under("https://app.example.com/auth/callback"), "redirect_uri", "not below");
    refuses(under("https://app.example.com/application/callback"), "redirect_uri", "not below");
    assert_eq!(under("https://app.example.com/app/x").build().unwrap().paths().callback, "/x");
    let alone = IdentityConfig { base_url: None, ..with("https://app.example.com/x/y").unwrap() }
        .build()
        .unwrap();
    assert_eq!(
        (alone.origin(), alone.paths().callback.as_str()),
        ("https://app.example.com", "/x/y")
    );
}

// MSAL-089: redirect_uri with root path, or with a trailing slash; configuration
#[test]
fn a_redirect_address_has_a_path_of_its_own() {
    for refused in [
        "https://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/x/",
        "https://app.example.com/x?y",
        "https://app.example.com/x;y",
        "http://app.example.com/x",
    ] {
        assert_eq!(
            config().with_redirect_uri(refused).unwrap_err().setting(),
            "redirect_uri",
            "{refused}"
        );
    }
}

#[test]
fn the_crates_own_paths_are_plain_and_apart() {
    for path in
        ["", "/", "auth", "/auth/", "/a//b", "/a/../b", "/a?b", "/a%20b", "/a;b", "/ä", "//a"]
    {
        refuses(config().with_sign_in_path(path), "sign_in_path", "plain path");
        refuses(config().with_callback_path(path), "callback_path", "plain path");
    }
    refuses(config().with_sign_out_path("/auth/login"), "sign_out_path", "also the sign_in_path");
    refuses(
        config().with_signed_out_path("/auth/callback"),
        "signed_out_path",
        "also the callback_path",
    );
}

#[test]
fn public_paths_leave_the_crates_own_alone() {
    refuses(config().add_public_path("/auth/login"), "public_paths", "sign_in_path");
    refuses(config().add_public_prefix("/auth/"), "public_paths", "covers");
    refuses(config().add_public_prefix("/"), "public_prefixes", "every path public");
    let valid = built(|config| config.add_public_path("/").add_public_prefix("/authors/"));
    assert!(
        valid.public_paths().is_public("/")
            && valid.public_paths().is_public("/authors/x")
            && !valid.public_paths().is_public("/me")
    );
}

#[test]
fn a_prefix_is_where_the_proxy_leaves_it() {
    let with = |prefix| {
        built(|config| {
            config
                .with_base_url("https://app.example.com/app/")
                .unwrap()
                .with_path_prefix(prefix)
                .add_public_path("/")
                .add_public_prefix("/assets/")
        })
    };
    let (stripped, kept) = (with(PathPrefix::Stripped), with(PathPrefix::Kept));
    for valid in [&stripped, &kept] {
        assert_eq!(valid.redirect_uri(), "https://app.example.com/app/auth/callback");
        assert_eq!((valid.external_prefix(), valid.home().as_str()), ("/app", "/app/"));
        assert_eq!(valid.external_path(&valid.paths().sign_in), "/app/auth/login");
        assert_eq!(valid.return_path("/app/auth/login?return_to=x").as_str(), "/app/");
    }
    assert_eq!(
        (stripped.paths().sign_in.as_str(), kept.paths().sign_in.as_str()),
        ("/auth/login", "/app/auth/login")
    );
    assert!(
        stripped.public_paths().is_public("/assets/x")
            && !stripped.public_paths().is_public("/app/assets/x")
    );
    assert!(
        kept.public_paths().is_public("/app/assets/x")
            && kept.public_paths().is_public("/app/")
            && !kept.public_paths().is_public("/assets/x")
    );
    assert_ne!(stripped.cookie_id(), built(|config| config).cookie_id());
}

// C-345: login endpoint `?returnUrl=`
#[test]
fn a_sign_in_returns_to_a_page_or_home_and_never_to_itself() {
    let valid = built(|config| config);
    for (asked, returned) in [
        ("/reports?x=1", "/reports?x=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("", "/"),
        ("/auth/login", "/"),
        ("/auth/logout?x", "/"),
        ("/auth/callback#x", "/"),
        ("/auth/other", "/auth/other"),
    ] {
        assert_eq!(valid.return_path(asked).as_str(), returned, "{asked}");
    }
}

#[test]
fn b2c_paths_are_there_with_their_policies_only() {
    let policies = B2cPolicies::new("B2C_1_susi").with_reset_password("B2C_1_reset");
    let b2c = || at(Authority::b2c("contoso", policies.clone()).unwrap());
    let valid = b2c().build().unwrap();
    assert_eq!(
        (valid.paths().reset_password.as_deref(), valid.paths().edit_profile.as_deref()),
        (Some("/auth/reset-password"), None)
    );
    refuses(b2c().with_edit_profile_path("/edit"), "edit_profile_path", "no effect");
    refuses(b2c().with_reset_password_path("/auth/login"), "reset_password_path", "also the");
    refuses(config().with_reset_password_path("/reset"), "reset_password_path", "no effect");
}
