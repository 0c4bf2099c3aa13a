//! [`IntoSessionStore`]: arguments that are a session store or a pointer to one.

use std::{fmt, ops::Deref, sync::Arc};

use async_trait::async_trait;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::Result,
};

/// A session store of the `tower-sessions` family, or a pointer to one (`Arc<RedisStore<…>>`,
/// `Box<dyn SessionStore>`).
///
/// The store must implement `SessionStore` of `tower-sessions-core` **0.14**, the version that
/// `tower-sessions` 0.14 uses. Examples are `tower-sessions-redis-store` 0.16 and
/// `tower-sessions-memory-store` 0.14. `cargo tree -i tower-sessions-core` shows the version that a
/// store's crate was built for.
///
/// The type parameter distinguishes stores from pointers; it is always inferred.
///
/// ```
/// use std::sync::Arc;
/// use tower_identity::{Authority, ClientCredential, IdentityConfig, IdentityLayer};
/// use tower_sessions_memory_store::MemoryStore;
///
/// # fn layer() -> Result<IdentityLayer, Box<dyn std::error::Error>> {
/// let config = IdentityConfig::new(Authority::parse("https://id.example.com")?, "client-id")
///     .with_credential(ClientCredential::secret("a-secret-of-at-least-thirty-two-characters"))
///     .with_base_url("https://app.example.com")?
///     .build()?;
/// // `MemoryStore::default()` without the `Arc` works as well.
/// let store = Arc::new(MemoryStore::default());
/// Ok(IdentityLayer::new(config).with_store(store)?)
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session store of `tower-sessions-core` 0.14",
    label = "expected a type that implements `SessionStore` of `tower-sessions-core` 0.14",
    note = "`tower-sessions` 0.15 and other versions have a different trait of the same name: use \
            the version of the store's crate that depends on `tower-sessions-core` 0.14, for \
            example `tower-sessions-redis-store` 0.16",
    note = "`cargo tree -i tower-sessions-core` shows the versions in use, and the crates that \
            depend on them"
)]
pub trait IntoSessionStore<Kind> {
    /// The store as a trait object.
    fn into_store(self) -> Arc<dyn SessionStore>;
}

/// The kind of a store by value.
#[derive(Debug)]
pub enum ByItself {}

/// The kind of a pointer to a store.
#[derive(Debug)]
pub enum ByPointer {}

impl<S: SessionStore> IntoSessionStore<ByItself> for S {
    fn into_store(self) -> Arc<dyn SessionStore> {
        Arc::new(self)
    }
}

impl<P> IntoSessionStore<ByPointer> for P
where
    P: Deref<Target: SessionStore> + fmt::Debug + Send + Sync + 'static,
{
    fn into_store(self) -> Arc<dyn SessionStore> {
        Arc::new(PointerStore(self))
    }
}

/// A pointer to a store, which forwards every call.
#[derive(Debug)]
struct PointerStore<P>(P);

#[async_trait]
impl<P> SessionStore for PointerStore<P>
where
    P: Deref<Target: SessionStore> + fmt::Debug + Send + Sync + 'static,
{
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.0.create(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        self.0.save(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        self.0.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.delete(id).await
    }
}
