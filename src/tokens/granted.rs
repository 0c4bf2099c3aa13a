//! Comparison of the granted scopes with the requested ones.
//!
//! The `scope` of a token response (RFC 6749 section 5.1) need not repeat the names of the request:
//! Entra ID writes `user.read` for `User.Read`, `read` or `api://<id>/read` for `<id>/read`, and
//! lists rights for `/.default`; others separate by commas. A token always answers the request that
//! it was issued for. This module decides which other requests it answers, and which rights were
//! not granted.
//!
//! - Names that differ in letter case only are the same.
//! - A name with its resource in front is the same as the one without, if all requested scopes are
//!   of one resource. Of several resources a provider chooses one, so a short name is ambiguous.
//! - A granted scope that has the name of a requested one stands for that one alone.

use super::key::Scopes;
use crate::authority::is_graph_host;

/// The scopes of a token response. A comma separates them if no requested scope contains one.
pub(super) fn of_answer(scope: &str, asked: &Scopes) -> Scopes {
    if scope.contains(',') && !asked.as_str().contains(',') {
        return Scopes::granted(&scope.replace(',', " "));
    }
    Scopes::granted(scope)
}

/// The requested rights that were granted, by their names in the request.
pub(super) fn rights<'a>(asked: &'a Scopes, granted: &'a Scopes) -> impl Iterator<Item = &'a str> {
    let of_one_resource = is_of_one_resource(asked);
    asked.rights().filter(move |right| {
        granted.contains(right) || is_renamed(right, asked, granted, of_one_resource)
    })
}

/// Whether all requested rights are of the same resource.
pub(super) fn is_of_one_resource(asked: &Scopes) -> bool {
    let mut resources = asked.rights().map(|right| resource_and_name(right).0);
    let first = resources.next().unwrap_or_default();
    resources.all(|resource| is_same_resource(resource, first))
}

/// Whether a requested right was granted under another name.
fn is_renamed(right: &str, asked: &Scopes, granted: &Scopes, of_one_resource: bool) -> bool {
    let (resource, name) = resource_and_name(right);
    granted.iter().filter(|other| !asked.contains(other)).any(|other| {
        let (others, other_name) = resource_and_name(other);
        let is_same_right = name.eq_ignore_ascii_case(other_name) || name == ".default";
        let may_be_of_it =
            resource.is_empty() || others.is_empty() || is_same_resource(resource, others);
        right.eq_ignore_ascii_case(other) || (of_one_resource && is_same_right && may_be_of_it)
    })
}

/// Resource and name of a scope: `https://api.example/read` is `read` of `https://api.example`. The
/// resource is empty for a scope without one, and for Microsoft Graph.
fn resource_and_name(scope: &str) -> (&str, &str) {
    match scope.rsplit_once('/') {
        Some((resource, name)) if !name.is_empty() => {
            let resource = resource.trim_end_matches('/');
            let host = resource.strip_prefix("https://").unwrap_or_default();
            // Microsoft reads a scope without a resource as one of Graph.
            if is_graph_host(host) { ("", name) } else { (resource, name) }
        }
        _ => ("", scope),
    }
}

/// Whether two resources are the same. That of an application is its id, with or without `api://`.
fn is_same_resource(one: &str, other: &str) -> bool {
    fn bare(resource: &str) -> &str {
        resource.strip_prefix("api://").unwrap_or(resource)
    }
    bare(one).eq_ignore_ascii_case(bare(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6731de76-14a6-49ae-97bc-6eba6914391e";

    fn granted(asked: &str, answer: &str) -> Vec<String> {
        let asked = Scopes::asked([asked]).unwrap();
        rights(&asked, &of_answer(answer, &asked)).map(str::to_owned).collect()
    }

    #[test]
    fn a_right_is_known_by_every_name_that_providers_have_for_it() {
        let id = |text: &str| text.replace("ID", ID);
        for (asked, answer) in [
            ("a", "a"),
            ("User.Read", "user.read"),
            ("User.Read", "https://graph.microsoft.com/User.Read"),
            ("https://graph.microsoft.com/User.Read", "profile User.Read email"),
            ("https://graph.microsoft.com/mail.read", "Mail.Read"),
            ("ID/read", "read"),
            ("ID/read", "api://ID/read"),
            ("api://ID/read", "ID/Read"),
            ("api://ID/read", "read"),
            ("https://graph.microsoft.com/.default", "User.Read Mail.Read"),
            ("api://ID/.default", "api://ID/read"),
            ("https://vault.azure.net//.default", "https://vault.azure.net/user_impersonation"),
            ("repo", "gist,repo"),
            ("repo", "gist, repo"),
            ("a,b", "a,b"),
        ] {
            assert_eq!(granted(&id(asked), &id(answer)), [id(asked)], "{asked} as {answer}");
        }
    }

    #[test]
    fn another_right_is_not_a_requested_one() {
        for (asked, answer) in [
            ("a", ""),
            ("a", "b ab a.b"),
            ("https://a.example/read", "https://b.example/read"),
            ("api://one/.default", "api://two/read"),
            ("a/.default", ""),
            ("a", "A2"),
        ] {
            assert!(granted(asked, answer).is_empty(), "{asked} as {answer}");
        }
    }

    #[test]
    fn of_several_resources_only_full_names_count() {
        assert_eq!(granted("api://one/read User.Read", "api://one/read"), ["api://one/read"]);
        assert!(granted("api://one/read User.Read", "read").is_empty(), "it may be of either");
        assert!(granted("api://one/.default User.Read", "Mail.Read").is_empty());
        for graph in ["graph.microsoft.com", "GRAPH.microsoft.us", "graph.svc.sovcloud.fr"] {
            let asked = format!("https://{graph}/Mail.Read User.Read");
            assert_eq!(granted(&asked, "Mail.Read User.Read").len(), 2, "one by two names");
        }
    }

    #[test]
    fn a_requested_scope_does_not_stand_for_another() {
        assert_eq!(granted("a A", "a"), ["a"]);
        assert_eq!(granted("x/a a", "a"), ["a"]);
    }

    #[test]
    fn scopes_about_the_person_are_not_rights() {
        assert!(granted("openid profile email address phone offline_access", "").is_empty());
        assert_eq!(
            granted("email drive", "https://www.googleapis.com/auth/userinfo.email drive"),
            ["drive"]
        );
    }
}
