//! [`IntoSessionStore`]: what can be given as a store.

use std::{fmt, ops::Deref, sync::Arc};

use async_trait::async_trait;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::Result,
};

/// A store of the `tower-sessions` family, or a pointer to one (`Arc<RedisStore<…>>`, `Box<dyn
/// SessionStore>`), made for version **0.14** of `tower-sessions-core`, the one that
/// `tower-sessions` 0.14 has. Of crates with stores that is, for example,
/// `tower-sessions-redis-store` 0.16 and `tower-sessions-memory-store` 0.14; `cargo tree -i
/// tower-sessions-core` shows which version one was made for.
///
/// The parameter tells the two apart and is never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a session store of `tower-sessions-core` 0.14",
    label = "expected a type that implements `SessionStore` of `tower-sessions-core` 0.14",
    note = "`tower-sessions` 0.15 and other versions have a trait of the same name that is another one: take the version of the store's crate that was made for `tower-sessions-core` 0.14, for example `tower-sessions-redis-store` 0.16",
    note = "`cargo tree -i tower-sessions-core` shows which versions there are, and what brings them in"
)]
pub trait IntoSessionStore<Kind> {
    /// The store behind a pointer.
    fn into_store(self) -> Arc<dyn SessionStore>;
}

/// The kind of a store by itself.
#[derive(Debug)]
pub enum ByItself {}

/// The kind of a pointer to one.
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
        Arc::new(Pointed(self))
    }
}

/// What a pointer points to, as a store.
#[derive(Debug)]
struct Pointed<P>(P);

#[async_trait]
impl<P> SessionStore for Pointed<P>
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
