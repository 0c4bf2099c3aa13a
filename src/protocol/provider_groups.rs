//! The steps of [`Provider`] that read the groups of a user from Microsoft Graph.

use std::time::Duration;

use serde_json::value::RawValue;
use tracing::{field::Empty, info_span};

use super::{
    channel::observed,
    grant::TokenParams,
    graph::{self, MAX_PAGES, MAX_SESSION_GROUPS},
    json::Object,
    provider::{Provider, step},
    provider_verify::passes_soon,
    token::TokenAnswer,
};
use crate::{
    clock::UnixTime,
    config::GroupsFrom,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// The time limit for all pages together; a sign-in or renewal waits for them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time until the next renewal of claims whose groups could not be read for a reason that
/// passes soon. Without it the user would lack the groups for the lifetime of the ID token.
const RETRY_AFTER: Duration = Duration::from_secs(300);

/// Claims with the groups from Graph added, if that was necessary and possible.
#[derive(Debug)]
pub(crate) struct GroupClaims {
    pub(crate) claims: Box<RawValue>,
    /// Whether groups are missing for a reason that passes soon.
    try_again: bool,
}

impl GroupClaims {
    /// The time to renew the claims; `at` is the time if no groups are missing.
    pub(crate) fn renew_at(&self, at: UnixTime, now: UnixTime) -> UnixTime {
        if self.try_again { at.min(now + RETRY_AFTER) } else { at }
    }
}

impl Provider {
    /// The scope of an access token that allows to read groups.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotConfigured`]: the authority has no Microsoft Graph; those of
    /// [`metadata`](Self::metadata).
    pub(crate) async fn groups_scope(&self) -> Result<String, Error> {
        Ok(graph::scope(&self.graph().await?))
    }

    /// The ids of all groups of the user of the access token, including nested memberships.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GroupsUnavailable`]; those of [`groups_scope`](Self::groups_scope);
    /// [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn groups(&self, access_token: &Secret) -> Result<Vec<String>, Error> {
        let reading = async {
            let (mut next, mut groups) = (graph::first_page(&self.graph().await?)?, Vec::new());
            for _ in 0..MAX_PAGES {
                let answer = self
                    .channel()
                    .send("Microsoft Graph", graph::request(&next, access_token)?)
                    .await?;
                match graph::read_page(&answer, &next, &mut groups)? {
                    Some(page) => next = page,
                    None => return Ok(groups),
                }
            }
            Err(graph::failed("the list of groups has more than 20 pages"))
        };
        // The limit covers the pages only. A refresh must never be cancelled: its refresh token may
        // already be replaced at the provider.
        let reading = tokio::time::timeout(TIMEOUT, reading);
        let reading = async {
            reading.await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::ProviderUnreachable, "Microsoft Graph: too slow"))
            })
        };
        observed(step!("identity.groups", self), reading).await
    }

    /// The claims with the groups from Graph, if the token announces an overage and
    /// [`GroupsFrom::Graph`] is configured. If the groups cannot be read, the claims stay unchanged
    /// and still announce that groups are missing.
    ///
    /// The access token for Graph may need a refresh. A new refresh token from it replaces the one
    /// in `answer`; `before` is the refresh token to use if `answer` has none.
    pub(crate) async fn with_groups(
        &self,
        claims: Box<RawValue>,
        answer: &mut TokenAnswer,
        before: Option<&Secret>,
    ) -> GroupClaims {
        let done = |claims| GroupClaims { claims, try_again: false };
        if self.groups_from() != GroupsFrom::Graph {
            return done(claims);
        }
        let Ok(mut members) = serde_json::from_str::<Object>(claims.get()) else {
            return done(claims);
        };
        if !graph::lacks_groups(&members) {
            return done(claims);
        }
        match self.groups_of(answer, before).await {
            Ok(groups) if groups.len() <= MAX_SESSION_GROUPS => {
                graph::complete(&mut members, groups);
                done(serde_json::value::to_raw_value(&members).unwrap_or(claims))
            }
            // Not cut off: an incomplete list would satisfy a rule such as "not in group x".
            Ok(groups) => {
                tracing::warn!(
                    groups = groups.len(),
                    limit = MAX_SESSION_GROUPS,
                    "the user is in more groups than a session holds"
                );
                done(claims)
            }
            Err(error) => {
                tracing::warn!(reason = error.reason(), %error, "the groups could not be read");
                GroupClaims { claims, try_again: passes_soon(&error) }
            }
        }
    }

    /// The groups of the user that the tokens in `answer` belong to.
    async fn groups_of(
        &self,
        answer: &mut TokenAnswer,
        before: Option<&Secret>,
    ) -> Result<Vec<String>, Error> {
        let graph = self.graph().await?;
        // The access token of the sign-in may already be for Graph.
        if let (Some(token), Some(scopes)) = (&answer.access_token, &answer.scope)
            && graph::suffices(&graph, scopes)
        {
            return self.groups(token).await;
        }
        let Some(refresh_token) = answer.refresh_token.as_ref().or(before) else {
            return Err(Error::new(
                ErrorKind::NoRefreshToken,
                "an access token for Microsoft Graph needs a refresh token: request the scope \
                 `offline_access`",
            ));
        };
        let scope = graph::scope(&graph);
        let for_graph = self
            .refresh(refresh_token, &TokenParams { scopes: &scope, ..TokenParams::default() })
            .await?;
        if for_graph.refresh_token.is_some() {
            answer.refresh_token = for_graph.refresh_token;
        }
        let token = for_graph
            .access_token
            .ok_or_else(|| graph::failed("the provider issued no access token for Graph"))?;
        self.groups(&token).await
    }

    /// The base URL of Microsoft Graph in the cloud of this authority.
    async fn graph(&self) -> Result<String, Error> {
        let metadata = self.metadata().await?;
        self.authority().graph(metadata.msgraph_host.as_deref()).ok_or_else(|| {
            Error::new(
                ErrorKind::NotConfigured,
                "this authority has no Microsoft Graph to read groups from",
            )
        })
    }
}
