//! An HTTP server whose requests share one classifier. Post an image to get its classes as JSON.
//!
//! `cargo run --release --manifest-path resnet-infer/examples/axum_server/Cargo.toml [NETWORK]`

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use resnet_infer::{Classifier, Prediction};

/// Maximum upload size in bytes. axum rejects larger uploads with status 413.
const MAX_UPLOAD: usize = 8 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1);
    let name = name.unwrap_or_else(|| "cifar_resnet20.resnet_zoo_c10".into());
    let classifier = Classifier::pretrained(name)?;
    let app = Router::new()
        .route("/classify", post(classify))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD))
        .with_state(Arc::new(classifier.with_top_k(3)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let address = listener.local_addr()?;
    println!("curl --data-binary @photo.jpg http://{address}/classify");
    Ok(axum::serve(listener, app).await?)
}

async fn classify(
    State(classifier): State<Arc<Classifier>>,
    image: Bytes,
) -> Result<Json<Prediction>, (StatusCode, String)> {
    // Inference takes milliseconds. On a thread of the async runtime, it would block other
    // requests.
    let work = move || classifier.classify_one(&image[..]);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(prediction)) => Ok(Json(prediction)),
        Ok(Err(error)) => Err((StatusCode::UNPROCESSABLE_ENTITY, error.source.to_string())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
