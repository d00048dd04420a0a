//! Without the feature `download`.

use resnet_weights::{Fetch, Weights};

#[test]
fn without_downloads_the_error_names_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    let fetch = Fetch::from_variables(|name| match name {
        "RESNET_CACHE" | "XDG_CACHE_HOME" => Some(folder.into()),
        _ => None,
    });
    let error = fetch.unwrap().fetch(&Weights::all()[0]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("built without the feature `download`"),
        "{error}"
    );
}
