//! The [`Provider`]'s steps for groups that a token has no room for.

use std::time::Duration;

use serde_json::value::RawValue;
use tracing::{field::Empty, info_span};

use super::{
    channel::observed,
    grant::Asked,
    graph::{self, MOST_IN_A_SESSION, MOST_PAGES},
    json::Object,
    provider::Provider,
    token::TokenAnswer,
};
use crate::{
    clock::UnixTime,
    config::GroupsFrom,
    error::{Error, ErrorKind},
    secret::Secret,
};

/// A sign-in or renewal waits no longer for groups.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon claims are renewed whose groups could not be read for a passing reason: nobody is to be
/// locked out for the life of an ID token.
const SOON: Duration = Duration::from_secs(300);

/// Claims, as complete as they could be made.
#[derive(Debug)]
pub(crate) struct WithGroups {
    pub(crate) claims: Box<RawValue>,
    /// Groups are missing for a passing reason.
    try_again: bool,
}

impl WithGroups {
    /// When to renew the claims, if otherwise that is `at`.
    pub(crate) fn renew_at(&self, at: UnixTime, now: UnixTime) -> UnixTime {
        if self.try_again { at.min(now + SOON) } else { at }
    }
}

impl Provider {
    /// The scope of an access token with which groups can be read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotConfigured`]: the authority has no Graph; those of [`metadata`](Self::metadata).
    pub(crate) async fn groups_scope(&self) -> Result<String, Error> {
        Ok(graph::scope(&self.graph().await?))
    }

    /// The ids of all groups that the owner of the access token is in, directly or through others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::GroupsUnavailable`]; those of [`groups_scope`](Self::groups_scope);
    /// [`ErrorKind::ProviderUnreachable`].
    pub(crate) async fn groups(&self, access_token: &Secret) -> Result<Vec<String>, Error> {
        let reading = async {
            let (mut next, mut groups) = (graph::first_page(&self.graph().await?)?, Vec::new());
            for _ in 0..MOST_PAGES {
                let answer = self
                    .channel()
                    .send("Microsoft Graph", graph::request(&next, access_token)?)
                    .await?;
                match graph::read_page(&answer, &next, &mut groups)? {
                    Some(page) => next = page,
                    None => return Ok(groups),
                }
            }
            Err(graph::failed("there are more pages than are read"))
        };
        let span = info_span!("identity.groups", authority = %self.authority().name(), outcome = Empty, reason = Empty);
        // Of the pages together; a refresh before them is never given up half way.
        let reading = tokio::time::timeout(PATIENCE, reading);
        let reading = async {
            reading.await.unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::ProviderUnreachable, "Microsoft Graph: too slow"))
            })
        };
        observed(span, reading).await
    }

    /// The claims, with the groups of somebody who is in too many for a token, where that is
    /// configured. If they cannot be read, the claims stay as they are and go on saying that groups
    /// are missing.
    ///
    /// A refresh token that is used for it is replaced in `answer` if the provider gives another;
    /// `before` is the one that the answer may have left as it was.
    pub(crate) async fn with_groups(
        &self,
        claims: Box<RawValue>,
        answer: &mut TokenAnswer,
        before: Option<&Secret>,
    ) -> WithGroups {
        let as_they_are = |claims| WithGroups { claims, try_again: false };
        if self.groups_from() != GroupsFrom::Graph {
            return as_they_are(claims);
        }
        let Ok(mut members) = serde_json::from_str::<Object>(claims.get()) else {
            return as_they_are(claims);
        };
        if !graph::lacks_groups(&members) {
            return as_they_are(claims);
        }
        match self.groups_of(answer, before).await {
            Ok(groups) if groups.len() <= MOST_IN_A_SESSION => {
                graph::complete(&mut members, groups);
                as_they_are(serde_json::value::to_raw_value(&members).unwrap_or(claims))
            }
            Ok(groups) => {
                tracing::warn!(
                    groups = groups.len(),
                    limit = MOST_IN_A_SESSION,
                    "more groups than a session holds"
                );
                as_they_are(claims)
            }
            Err(error) => {
                tracing::warn!(reason = error.reason(), %error, "the groups could not be read");
                WithGroups { claims, try_again: error.kind() == ErrorKind::ProviderUnreachable }
            }
        }
    }

    async fn groups_of(
        &self,
        answer: &mut TokenAnswer,
        before: Option<&Secret>,
    ) -> Result<Vec<String>, Error> {
        let graph = self.graph().await?;
        if let (Some(token), Some(scopes)) = (&answer.access_token, &answer.scope)
            && graph::suffices(&graph, scopes)
        {
            return self.groups(token).await;
        }
        let Some(refresh_token) = answer.refresh_token.as_ref().or(before) else {
            return Err(Error::new(
                ErrorKind::NoRefreshToken,
                "there is nothing to get an access token for Graph with",
            ));
        };
        let scope = graph::scope(&graph);
        let for_graph =
            self.refresh(refresh_token, &Asked { scopes: &scope, ..Asked::default() }).await?;
        if for_graph.refresh_token.is_some() {
            answer.refresh_token = for_graph.refresh_token;
        }
        let token = for_graph
            .access_token
            .ok_or_else(|| graph::failed("there is no access token for Graph"))?;
        self.groups(&token).await
    }

    /// Where Microsoft Graph is for the people of this authority.
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
