//! The measurements of the feature `metrics`, as an exporter receives them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::http::StatusCode;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tower_identity::{
    IdentityLayer, SignInRefusal,
    dev::{Endpoint, Failure},
};
use tower_sessions_memory_store::MemoryStore;

use crate::{app::App, browser::html::Form};

/// Sums by name and labels; of a histogram the number of values.
#[derive(Clone, Default)]
struct Exporter(Arc<Mutex<BTreeMap<String, f64>>>);

struct Series(Exporter, String);

impl Series {
    fn add(&self, value: f64) {
        *self.0.0.lock().unwrap().entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, _: f64) {}
}

impl HistogramFn for Series {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds));
        self.add(1.0);
    }
}

impl Exporter {
    fn series(&self, key: &Key) -> Arc<Series> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        Arc::new(Series(self.clone(), format!("{}{}", key.name(), labels.collect::<String>())))
    }

    fn value(&self, series: &str) -> f64 {
        self.0.lock().unwrap().get(series).copied().unwrap_or_default()
    }
}

impl Recorder for Exporter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

// The runtime of each test is on its thread, so that the recorder hears this application alone.

#[tokio::test]
async fn sign_ins_tokens_refreshes_and_the_provider_are_measured() {
    let exporter = Exporter::default();
    let _listening = metrics::set_default_local_recorder(&exporter);
    let app = App::start().await;
    let mut tab = app.signed_in().await;
    assert_eq!(exporter.value("identity_sign_ins_total outcome=signed_in reason=ok"), 1.0);
    assert_eq!(exporter.value("identity_local_sessions"), 1.0);
    for endpoint in ["discovery", "keys", "token"] {
        let series = format!("identity_provider_duration_seconds endpoint={endpoint} outcome=2xx");
        assert_eq!(exporter.value(&series), 1.0, "{series}");
    }

    tab.open(app.at("/token")).await;
    tab.open(app.at("/token?scope=openid")).await;
    assert!(exporter.value("identity_token_requests_total source=sign_in reason=ok") >= 1.0);
    app.provider.fail_next(Endpoint::Token, 1, Failure::Status(503));
    tab.open(app.at("/token?scope=notes.read")).await;
    let failed = "identity_token_requests_total source=none reason=provider_unreachable";
    assert_eq!(exporter.value(failed), 1.0);
    let failed =
        "identity_refreshes_total kind=access_token outcome=failed reason=provider_unreachable";
    assert_eq!(exporter.value(failed), 1.0);

    app.provider.refuse_next_sign_in("access_denied", "The user cancelled");
    app.browser().tab().open(app.at("/me")).await;
    assert_eq!(exporter.value("identity_sign_ins_total outcome=failed reason=access_denied"), 1.0);
    tab.submit(Form::post(&app.at("/auth/logout"))).await;
    assert_eq!(exporter.value("identity_sessions_ended_total"), 1.0);
    assert_eq!(exporter.value("identity_local_sessions"), 0.0);
}

#[tokio::test]
async fn a_sign_in_that_the_application_refuses_is_counted_as_failed_alone() {
    let exporter = Exporter::default();
    let _listening = metrics::set_default_local_recorder(&exporter);
    let refuse = |layer: IdentityLayer| {
        layer.on_signed_in(|_| async { Err(SignInRefusal::new("suspended")) })
    };
    let app = App::builder().layer(refuse).start().await;
    assert_eq!(app.sign_in().await.status, StatusCode::FORBIDDEN);
    let refused = "identity_sign_ins_total outcome=failed reason=sign_in_refused";
    assert_eq!(exporter.value(refused), 1.0);
    assert_eq!(exporter.value("identity_sign_ins_total outcome=signed_in reason=ok"), 0.0);
    assert_eq!(exporter.value("identity_sessions_ended_total"), 0.0);
    assert_eq!(exporter.value("identity_local_sessions"), 0.0);
}

#[tokio::test]
async fn the_store_is_measured() {
    let exporter = Exporter::default();
    let _listening = metrics::set_default_local_recorder(&exporter);
    let app = App::builder()
        .layer(|layer| layer.with_store(MemoryStore::default()).unwrap())
        .start()
        .await;
    app.signed_in().await;
    let count = |operation: &str| {
        exporter.value(&format!("identity_store_duration_seconds operation={operation} outcome=ok"))
    };
    assert!(count("create") >= 2.0 && count("load") >= 1.0);
    assert_eq!(exporter.value("identity_local_sessions"), 0.0);
}
