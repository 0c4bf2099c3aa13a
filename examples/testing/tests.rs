//! Each test has a provider and an application of its own, and signs people in completely.

use tower_identity::dev::{DevPerson, DevProvider};

/// The application on a free port, with its provider and its base URL.
async fn start() -> Result<(DevProvider, String), super::Failure> {
    let provider = DevProvider::start().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://localhost:{}", listener.local_addr()?.port());
    tokio::spawn(axum::serve(listener, super::app(provider.config(&base)?)?).into_future());
    Ok((provider, base))
}

#[tokio::test]
async fn people_see_what_their_roles_allow() -> Result<(), super::Failure> {
    let (provider, base) = start().await?;
    for (roles, status) in [(vec!["Admin"], 200), (vec![], 403)] {
        let mary = DevPerson::new("mary", "Mary Somerville").with_roles(roles);
        let mary = provider.signed_in(&base, mary).await?;
        assert_eq!(mary.get(format!("{base}/me")).send().await?.text().await?, "Mary Somerville");
        assert_eq!(mary.get(format!("{base}/admin")).send().await?.status(), status);
    }
    Ok(())
}

#[tokio::test]
async fn ada_writes_consents_and_signs_out() -> Result<(), super::Failure> {
    let (provider, base) = start().await?;
    let ada = provider.signed_in(&base, "ada").await?;
    let note = ada.post(format!("{base}/notes")).form(&[("text", "Hi")]).send().await?;
    assert_eq!(note.text().await?, "Ada Lovelace wrote \"Hi\"");
    provider.refuse_next_consent();
    assert_eq!(ada.get(format!("{base}/mail")).send().await?.status(), 403);
    assert_eq!(ada.get(format!("{base}/mail")).send().await?.text().await?, "two letters");
    ada.post(format!("{base}/auth/logout")).send().await?;
    let script = ada.get(format!("{base}/me")).header("accept", "application/json");
    assert_eq!(script.send().await?.status(), 401);
    Ok(())
}
