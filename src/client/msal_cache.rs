//! Import of the token cache of the MSAL libraries (`SerializableTokenCache` in Python), so that
//! the users of an application that moves to this crate need not sign in again.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;

use super::{
    Account, AccountSource,
    account::{ImportedAccount, username},
    core::Client,
};
use crate::{
    error::{Error, ErrorKind},
    json::{self, OptionalMembers},
    secret::{Secret, unverified_payload},
    tokens::{GrantRecord, GrantSource, Person},
};

/// The parts of the schema that are read. All MSAL libraries share it.
#[derive(Deserialize)]
struct MsalCache {
    #[serde(default, rename = "RefreshToken")]
    refresh_tokens: Entries,
    #[serde(default, rename = "IdToken")]
    id_tokens: Entries,
    #[serde(default, rename = "Account")]
    accounts: Entries,
}

type Entries = HashMap<String, MaybeEntry>;

/// An entry, or something else, which is ignored.
#[derive(Deserialize)]
#[serde(untagged)]
enum MaybeEntry {
    Entry(MsalEntry),
    Other(#[allow(dead_code, reason = "it only takes the value")] IgnoredAny),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MsalEntry {
    #[serde(deserialize_with = "text_if_any")]
    home_account_id: String,
    #[serde(deserialize_with = "text_if_any")]
    environment: String,
    #[serde(deserialize_with = "text_if_any")]
    client_id: String,
    #[serde(deserialize_with = "text_if_any")]
    realm: String,
    secret: Secret,
    #[serde(deserialize_with = "text_if_any")]
    username: String,
    #[serde(deserialize_with = "text_if_any")]
    account_source: String,
    #[serde(deserialize_with = "text_if_any")]
    last_modification_time: String,
}

/// A text or a number as text, otherwise an empty text. The libraries that write the schema differ
/// in what they write for a member without a value and for a time, and MSAL reads all of it.
fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    })
}

/// The person of an ID token in the cache. The claims are not verified: the first refresh compares
/// them with those of a verified ID token.
fn person(claims: &json::Object) -> Option<Person> {
    let claims = OptionalMembers::of(claims, "ID token");
    let text = |name: &str| claims.text(name).map(str::to_owned);
    Some(Person { iss: text("iss")?, sub: text("sub")?, tid: text("tid"), oid: text("oid") })
}

fn entries(entries: &Entries) -> impl Iterator<Item = &MsalEntry> {
    entries.values().filter_map(|entry| match entry {
        MaybeEntry::Entry(entry) => Some(entry),
        MaybeEntry::Other(_) => None,
    })
}

impl Client {
    /// Imports accounts with their refresh tokens from the token cache of MSAL: the text of
    /// `SerializableTokenCache.serialize()` in Python, or of the same schema elsewhere. Python's
    /// `identity` has it in the session, under `_token_cache`.
    ///
    /// Returns the imported accounts. Nothing is sent: the first token of an account is acquired
    /// with its refresh token by [`acquire_silent`](Self::acquire_silent), which verifies the
    /// user. Everything else is ignored: access tokens, entries of another client ID or another
    /// cloud, accounts without a refresh token or an ID token, and those that this client has
    /// already.
    ///
    /// ```
    /// use tower_identity::{Error, Secret, client::Client};
    ///
    /// /// Takes over the users of the Python application, once.
    /// fn take_over(client: &Client, msal_cache: String) -> Result<(), Error> {
    ///     let accounts = client.import_msal_cache(&Secret::from(msal_cache))?;
    ///     println!("{} accounts", accounts.len());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `RequestInvalid`: the text is not a cache of MSAL. The error has nothing of the text.
    ///
    /// # Security
    ///
    /// The text has to come from the application's own storage: like that of
    /// [`import_cache`](Self::import_cache), it decides which account has which refresh token.
    pub fn import_msal_cache(&self, json: &Secret) -> Result<Vec<Account>, Error> {
        // An array of nothing would be a cache as well to serde, whose error would quote a value of
        // the text, which may be a token.
        let is_object = json.expose().trim_start().starts_with('{');
        let cache = serde_json::from_str::<MsalCache>(json.expose()).ok().filter(|_| is_object);
        let cache = cache.ok_or_else(|| {
            Error::new(
                ErrorKind::RequestInvalid,
                "the text is not a token cache of MSAL: expected a JSON object with \
                 `RefreshToken`, `IdToken` and `Account`",
            )
        })?;
        let partitions = &self.shared().partitions;
        let mut imported = Vec::new();
        for token in self.newest_refresh_tokens(&cache) {
            let Some((account, person)) = self.account_of(&cache, token) else { continue };
            let partition = account.partition();
            // A record of this client is newer: its refresh token may have replaced the other.
            if partitions.record(&partition).is_some() {
                continue;
            }
            let record = GrantRecord::without_sign_in(
                person,
                GrantSource::RefreshToken(token.secret.clone()),
            );
            partitions.put(&partition, account.to_raw()?, record)?;
            imported.push(account);
        }
        Ok(imported)
    }

    /// Whether an entry is of this application and cloud.
    fn is_ours(&self, entry: &MsalEntry) -> bool {
        let config = self.config();
        entry.client_id.eq_ignore_ascii_case(config.client_id())
            && config.authority().has_alias(&entry.environment)
    }

    /// The newest refresh token of each account, in the order of the accounts.
    fn newest_refresh_tokens<'c>(&self, cache: &'c MsalCache) -> Vec<&'c MsalEntry> {
        let time = |entry: &MsalEntry| entry.last_modification_time.parse::<u64>().ok();
        let mut newest: BTreeMap<&str, &MsalEntry> = BTreeMap::new();
        for entry in entries(&cache.refresh_tokens) {
            if !self.is_ours(entry) || entry.secret.is_empty() {
                continue;
            }
            let known = newest.entry(&entry.home_account_id).or_insert(entry);
            if time(entry) > time(known) {
                *known = entry;
            }
        }
        newest.into_values().collect()
    }

    /// The account of a refresh token, and its person by an ID token. Of the ID tokens of several
    /// tenants that of the authority counts, then that of the home tenant.
    fn account_of(&self, cache: &MsalCache, token: &MsalEntry) -> Option<(Account, Person)> {
        let home = &token.home_account_id;
        let authority = self.config().authority();
        let rank = |entry: &MsalEntry| {
            (authority.is_tenant(&entry.realm), home.ends_with(&format!(".{}", entry.realm)))
        };
        let id_token = entries(&cache.id_tokens)
            .filter(|entry| entry.home_account_id == *home && self.is_ours(entry))
            .max_by_key(|entry| (rank(entry), &entry.realm))?;
        let claims = unverified_payload(&id_token.secret)?;
        let claims = json::object(&claims).ok()?;
        let person = person(&claims)?;
        let entry = entries(&cache.accounts).find(|entry| {
            entry.home_account_id == *home
                && entry.realm == id_token.realm
                && authority.has_alias(&entry.environment)
        });
        let named = entry.map(|entry| entry.username.clone()).filter(|name| !name.is_empty());
        let account = ImportedAccount {
            // Elsewhere the identifier of an account is its `sub`.
            home_account_id: if authority.is_microsoft() { home } else { &person.sub }.clone(),
            username: named.or_else(|| username(&claims)),
            source: entry.and_then(|entry| source(&entry.account_source)),
        };
        Some((Account::imported(account, &person), person))
    }
}

/// The grant by its name in the cache.
fn source(name: &str) -> Option<AccountSource> {
    match name {
        "authorization_code" => Some(AccountSource::AuthorizationCode),
        "urn:ietf:params:oauth:grant-type:device_code" => Some(AccountSource::DeviceCode),
        "password" => Some(AccountSource::Password),
        "user_fic" => Some(AccountSource::FederatedIdentity),
        _ => None,
    }
}
