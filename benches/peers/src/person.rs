//! The signed-in user, with sixteen claims: as many as the development provider puts into the ID
//! token of one of its people.

use serde::{Deserialize, Serialize};

/// What the route answers.
pub const NAME: &str = "Ada Lovelace";
/// The number of claims of each user.
pub const CLAIMS: usize = 16;

/// What an application would keep of an ID token in its session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Person {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    pub auth_time: i64,
    pub sid: String,
    pub nonce: String,
    pub at_hash: String,
    pub name: String,
    pub given_name: String,
    pub family_name: String,
    pub preferred_username: String,
    pub email: String,
    pub email_verified: bool,
    pub roles: Vec<String>,
}

impl Person {
    /// The one who is signed in.
    pub fn ada() -> Self {
        Self {
            iss: "http://127.0.0.1:40000".into(),
            sub: "mUmEkTFdn6LV4jWYeOGu9w".into(),
            aud: "bench".into(),
            exp: 1_800_003_600,
            iat: 1_800_000_000,
            auth_time: 1_800_000_000,
            sid: "3vBgkZ1yyNkcXyCSyzPeBlTiNgOPlSPlRUMWkDQzx4s".into(),
            nonce: "qE1hZ3oVt1pX6jq3dLwS0m8Tn2u4yHk5b7cR9vAfGhI".into(),
            at_hash: "x8pYt0mM1kWc2nQ7rZ5uVg".into(),
            name: NAME.into(),
            given_name: "Ada".into(),
            family_name: "Lovelace".into(),
            preferred_username: "ada@example.com".into(),
            email: "ada@example.com".into(),
            email_verified: true,
            roles: vec!["Admin".into()],
        }
    }
}
