use super::*;

/// The endpoint of an environment with these variables, with or without Arc's agent.
fn endpoint_of(
    variables: &[(&str, &str)],
    has_agent: bool,
) -> Result<Arc<dyn ManagedIdentityEndpoint>, ConfigError> {
    let get = |name: &str| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    };
    endpoint(&get, &|_| has_agent)
}

fn chosen(variables: &[(&str, &str)]) -> Result<String, String> {
    let endpoint = endpoint_of(variables, false).map_err(|error| error.to_string())?;
    let identity = ManagedIdentityId::ResourceId("/a b".into());
    let request = endpoint.request("https://vault.azure.net", &identity).unwrap();
    let header = request
        .headers()
        .get("x-identity-header")
        .map(|value| format!(" {}", value.to_str().unwrap()));
    assert_eq!(request.headers()["metadata"], "true");
    Ok(format!("{}{}", request.uri(), header.unwrap_or_default()))
}

#[test]
fn the_environment_says_where_it_runs() {
    let app_service =
        [("IDENTITY_ENDPOINT", "http://127.0.0.1:8081/msi/token"), ("IDENTITY_HEADER", "h")];
    let vault = "resource=https%3A%2F%2Fvault.azure.net";
    assert_eq!(
        chosen(&app_service).unwrap(),
        format!(
            "http://127.0.0.1:8081/msi/token?api-version=2019-08-01&{vault}&mi_res_id=%2Fa+b h"
        )
    );
    let app_service = [("IDENTITY_ENDPOINT", "http://h/t#x"), ("IDENTITY_HEADER", "h")];
    assert!(chosen(&app_service).unwrap().starts_with("http://h/t?api-version=2019-08-01&"));
    let machine =
        format!("/metadata/identity/oauth2/token?api-version=2018-02-01&{vault}&msi_res_id=%2Fa+b");
    assert_eq!(chosen(&[]).unwrap(), format!("http://169.254.169.254{machine}"));
    assert_eq!(
        chosen(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")]).unwrap(),
        format!("http://127.0.0.1:9{machine}")
    );
    assert_eq!(
        chosen(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9/pod/")]).unwrap(),
        format!("http://127.0.0.1:9/pod{machine}"),
        "a path is a prefix"
    );
    let arc = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:40342"),
        ("IMDS_ENDPOINT", "http://127.0.0.1:40342"),
    ];
    assert_eq!(
        chosen(&arc).unwrap(),
        format!("http://127.0.0.1:40342/?api-version=2020-06-01&{vault}&msi_res_id=%2Fa+b")
    );
    let fabric = |thumbprint| {
        chosen(&[&app_service[..], &[("IDENTITY_SERVER_THUMBPRINT", thumbprint)]].concat())
    };
    assert!(fabric("x").unwrap_err().contains("https://"), "the other endpoint has no TLS");
    assert!(
        chosen(&[("IDENTITY_ENDPOINT", "nowhere"), ("IDENTITY_HEADER", "h")])
            .unwrap_err()
            .contains("IDENTITY_ENDPOINT")
    );
}

#[test]
fn variables_and_the_agent_of_arc_decide_the_kind_of_the_endpoint() {
    let identity = ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/t");
    let (header, imds) = (("IDENTITY_HEADER", "h"), ("IMDS_ENDPOINT", "http://127.0.0.1:1"));
    let learning = [("MSI_ENDPOINT", "http://127.0.0.1:1/t"), ("MSI_SECRET", "s")];
    let forty = "0123456789abcdef0123456789abcdef01234567";
    let thumbprint = ("IDENTITY_SERVER_THUMBPRINT", forty);
    let shell = ("AZUREPS_HOST_ENVIRONMENT", "cloud-shell/1.0");
    for (variables, has_agent, expected) in [
        (vec![], false, ManagedIdentitySource::VirtualMachine),
        (vec![identity], false, ManagedIdentitySource::VirtualMachine),
        (vec![learning[0]], false, ManagedIdentitySource::VirtualMachine),
        (learning.to_vec(), true, ManagedIdentitySource::MachineLearning),
        (
            vec![identity, imds, learning[0], learning[1]],
            false,
            ManagedIdentitySource::MachineLearning,
        ),
        (vec![identity, header, learning[0], learning[1]], true, ManagedIdentitySource::AppService),
        (
            vec![("IDENTITY_ENDPOINT", "https://127.0.0.1:1/t"), header, thumbprint],
            true,
            ManagedIdentitySource::ServiceFabric,
        ),
        (vec![identity, imds], false, ManagedIdentitySource::AzureArc),
        (vec![shell, learning[0]], false, ManagedIdentitySource::CloudShell),
        (vec![shell], false, ManagedIdentitySource::CloudShell),
        (vec![("AZUREPS_HOST_ENVIRONMENT", "vm")], false, ManagedIdentitySource::VirtualMachine),
    ] {
        let source = endpoint_of(&variables, has_agent).unwrap().source();
        assert_eq!(source, expected, "{variables:?}");
    }
}

#[test]
fn a_machine_with_the_agent_and_without_variables_is_one_of_arc() {
    assert_eq!(endpoint_of(&[], true).unwrap().source(), ManagedIdentitySource::AzureArc);
    let looked_for = std::cell::RefCell::new(Vec::new());
    let found = endpoint(&|_| None, &|file| {
        looked_for.borrow_mut().push(file.to_owned());
        true
    });
    let request = found
        .unwrap()
        .request("https://vault.azure.net", &ManagedIdentityId::SystemAssigned)
        .unwrap();
    assert_eq!(
        request.uri().to_string(),
        "http://localhost:40342/metadata/identity/oauth2/token?api-version=2020-06-01\
         &resource=https%3A%2F%2Fvault.azure.net"
    );
    if !cfg!(windows) {
        assert_eq!(looked_for.into_inner(), [Path::new("/opt/azcmagent/bin/himds")]);
    }
}

#[test]
fn machine_learning_selects_an_identity_by_its_client_id() {
    let endpoint = MachineLearning::new("http://127.0.0.1:1/t", "s3cr3t").unwrap();
    let sent = |endpoint: &MachineLearning, identity: &ManagedIdentityId| {
        let request = endpoint.request("https://vault.azure.net", identity).unwrap();
        assert_eq!(request.headers()["secret"], "s3cr3t");
        assert!(!format!("{request:?}").contains("s3cr3t"));
        let (_, query) = request.uri().query().unwrap().split_once('&').unwrap();
        query.strip_prefix("resource=https%3A%2F%2Fvault.azure.net").unwrap().to_owned()
    };
    let client = ManagedIdentityId::ClientId("c".into());
    assert_eq!(sent(&endpoint, &ManagedIdentityId::SystemAssigned), "");
    assert_eq!(sent(&endpoint, &client), "&clientid=c");
    let with_default = endpoint.clone().with_default_client_id("d");
    assert_eq!(sent(&with_default, &ManagedIdentityId::SystemAssigned), "&clientid=d");
    assert_eq!(sent(&with_default, &client), "&clientid=c");
    // The endpoint would ignore these and answer for its default identity.
    assert!(!endpoint.takes(&ManagedIdentityId::ObjectId("o".into())));
    assert!(!endpoint.takes(&ManagedIdentityId::ResourceId("/r".into())));
    let variables = [
        ("MSI_ENDPOINT", "http://127.0.0.1:1/t"),
        ("MSI_SECRET", "s3cr3t"),
        ("DEFAULT_IDENTITY_CLIENT_ID", "of the workspace"),
    ];
    let request = endpoint_of(&variables, false)
        .unwrap()
        .request("https://vault.azure.net", &ManagedIdentityId::SystemAssigned)
        .unwrap();
    assert!(request.uri().query().unwrap().ends_with("&clientid=of+the+workspace"));
}
