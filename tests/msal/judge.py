"""MSAL Python against the development provider that imitates Microsoft Entra, over TLS.

Started by tests/it/msal.rs, which runs the provider, with a file of settings as the only argument.
Each check is a function, independent of the others. The exit status is the number of checks that
failed.
"""

import base64
import html
import json
import re
import sys
import traceback
from urllib.parse import parse_qs, urlsplit

import msal
import requests

with open(sys.argv[1], encoding="utf-8") as file:
    SETTINGS = json.load(file)

ORIGIN = SETTINGS["origin"]
REDIRECT = "http://localhost:3000/auth/callback"
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Session(requests.Session):
    """MSAL leaves the port out where it asks how a person signs in."""

    def request(self, method, url, *args, **kwargs):
        host = "https://" + urlsplit(ORIGIN).hostname + "/"
        if url.startswith(host):
            url = ORIGIN + "/" + url[len(host) :]
        return super().request(method, url, *args, **kwargs)


def trusting():
    """An HTTP session that trusts the provider's certificate and nothing else."""
    session = Session()
    session.verify = SETTINGS["root_certificate"]
    session.trust_env = False
    return session


def control(path, body=None):
    """Tells the provider's handle what to do."""
    answer = requests.post(SETTINGS["control"] + path, data=body, timeout=20)
    answer.raise_for_status()


def web(tenant="contoso", credential=None, client=None, **more):
    """A confidential client of its own cache."""
    return msal.ConfidentialClientApplication(
        client or SETTINGS["web"]["id"],
        client_credential=credential or SETTINGS["web"]["secret"],
        authority=f"{ORIGIN}/{SETTINGS['tenants'].get(tenant, tenant)}",
        instance_discovery=False,
        http_client=trusting(),
        **more,
    )


def public(tenant="contoso", **more):
    return msal.PublicClientApplication(
        SETTINGS["public"],
        authority=f"{ORIGIN}/{SETTINGS['tenants'].get(tenant, tenant)}",
        instance_discovery=False,
        http_client=trusting(),
        **more,
    )


def sign_in(app, person, scopes, **more):
    """The code flow: what a browser does in between, and the answer."""
    control(f"/sign_in_as/{person}")
    flow = app.initiate_auth_code_flow(scopes, redirect_uri=REDIRECT, **more)
    answer = trusting().get(flow["auth_uri"], allow_redirects=False, timeout=20)
    location = answer.headers.get("location", "")
    assert location.startswith(REDIRECT), (
        f"{answer.status_code} {location} {html.unescape(answer.text)[-400:]}"
    )
    response = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    return app.acquire_token_by_auth_code_flow(flow, response)


def good(answer):
    assert "access_token" in answer, answer
    return answer


def refused(answer, error, code=None):
    assert answer is not None and answer.get("error") == error, answer
    assert code is None or answer.get("error_codes") == [code], answer
    return answer


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@check
def code_flow_silent_and_forced_refresh():
    app = web()
    first = good(sign_in(app, "ada", ["User.Read"]))
    assert first["id_token_claims"]["name"] == "Ada Lovelace", first
    [account] = app.get_accounts()
    assert account["username"] == "ada@contoso.onmicrosoft.com", account
    assert account["home_account_id"] == SETTINGS["home_account_ids"]["ada"], account
    kept = good(app.acquire_token_silent(["User.Read"], account))
    assert kept["access_token"] == first["access_token"] and kept["token_source"] == "cache", kept
    fresh = good(app.acquire_token_silent(["User.Read"], account, force_refresh=True))
    assert (
        fresh["access_token"] != first["access_token"]
        and fresh["token_source"] == "identity_provider"
    ), fresh
    other = good(app.acquire_token_silent([SETTINGS["api"]["scope"]], account))
    assert claims(other["access_token"])["azpacr"] == "1", other
    assert len(app.get_accounts()) == 1


@check
def accounts_of_several_people_and_removal():
    app = web()
    good(sign_in(app, "ada", ["User.Read"]))
    good(sign_in(app, "alan", ["User.Read"]))
    assert sorted(account["username"].split("@")[0] for account in app.get_accounts()) == [
        "ada",
        "alan",
    ]
    [ada] = app.get_accounts("ada@contoso.onmicrosoft.com")
    app.remove_account(ada)
    assert [account["username"].split("@")[0] for account in app.get_accounts()] == ["alan"]
    assert app.acquire_token_silent(["User.Read"], ada) is None


@check
def a_lost_refresh_token_is_forgotten():
    app = web()
    good(sign_in(app, "grace", ["User.Read"]))
    [account] = app.get_accounts()
    control("/revoke/grace")
    answer = app.acquire_token_silent_with_error(["User.Read"], account, force_refresh=True)
    refused(answer, "invalid_grant", 50173)
    assert answer["suberror"] == "bad_token", answer
    # MSAL has dropped the token, so that nothing is left to try.
    assert app.acquire_token_silent(["User.Read"], account, force_refresh=True) is None


@check
def a_guest_has_one_account_and_another_object():
    app = web()
    answer = good(sign_in(app, "katherine", ["User.Read"]))
    [account] = app.get_accounts()
    assert account["home_account_id"] == SETTINGS["home_account_ids"]["katherine"], account
    assert answer["id_token_claims"]["tid"] == SETTINGS["tenants"]["contoso"], answer


@check
def common_takes_work_and_personal_accounts():
    app = web("common")
    assert (
        good(sign_in(app, "ada", ["User.Read"]))["id_token_claims"]["tid"]
        == SETTINGS["tenants"]["contoso"]
    )
    assert (
        good(sign_in(app, "mary", ["User.Read"]))["id_token_claims"]["tid"]
        == SETTINGS["tenants"]["consumers"]
    )
    for account in app.get_accounts():
        good(app.acquire_token_silent(["User.Read"], account, force_refresh=True))
    assert len(app.get_accounts()) == 2


@check
def a_code_is_bound_to_its_flow():
    app = web()
    control("/sign_in_as/ada")
    flow = app.initiate_auth_code_flow(["User.Read"], redirect_uri=REDIRECT)
    location = (
        trusting().get(flow["auth_uri"], allow_redirects=False, timeout=20).headers["location"]
    )
    response = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    try:
        app.acquire_token_by_auth_code_flow(dict(flow, state="another"), response)
        raise AssertionError("another state was taken")
    except ValueError:
        pass
    refused(
        app.acquire_token_by_auth_code_flow(dict(flow, code_verifier="x" * 43), response),
        "invalid_grant",
        501481,
    )


@check
def form_post_flow():
    app = web()
    control("/sign_in_as/ada")
    flow = app.initiate_auth_code_flow(
        ["User.Read"], redirect_uri=REDIRECT, response_mode="form_post"
    )
    page = trusting().get(flow["auth_uri"], allow_redirects=False, timeout=20).text
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page))
    good(
        app.acquire_token_by_auth_code_flow(
            flow, {name: html.unescape(value) for name, value in fields.items()}
        )
    )


@check
def application_by_secret():
    app = web()
    answer = good(app.acquire_token_for_client([SETTINGS["api"]["id"] + "/.default"]))
    token = claims(answer["access_token"])
    assert (token["idtyp"], token["azpacr"], token["tid"]) == (
        "app",
        "1",
        SETTINGS["tenants"]["contoso"],
    ), token
    assert (
        app.acquire_token_for_client([SETTINGS["api"]["id"] + "/.default"])["token_source"]
        == "cache"
    )
    refused(app.acquire_token_for_client(["User.Read"]), "invalid_scope", 1002012)


@check
def application_by_certificate():
    certificate = SETTINGS["certificate"]
    for credential in (
        {"private_key": certificate["key"], "public_certificate": certificate["pem"]},
        {"private_key": certificate["key"], "thumbprint": certificate["sha1"]},
    ):
        app = web(credential=credential, client=certificate["client"])
        for scope in (SETTINGS["api"]["id"], "api://another", "api://third"):
            # One assertion serves for all of them.
            answer = good(app.acquire_token_for_client([scope + "/.default"]))
            assert claims(answer["access_token"])["azpacr"] == "2", answer
    wrong = {"private_key": certificate["key"], "thumbprint": "00" * 20}
    answer = web(credential=wrong, client=certificate["client"]).acquire_token_for_client(
        [SETTINGS["api"]["id"] + "/.default"]
    )
    refused(answer, "invalid_client", 700027)


@check
def a_wrong_secret_an_unknown_client_and_common():
    scope = [SETTINGS["api"]["id"] + "/.default"]
    refused(web(credential="wrong").acquire_token_for_client(scope), "invalid_client", 7000215)
    refused(
        web(client="00000000-0000-4000-8000-000000000000").acquire_token_for_client(scope),
        "unauthorized_client",
        700016,
    )
    refused(web("common").acquire_token_for_client(scope), "invalid_request", 50059)
    try:
        answer = web("nowhere.example").acquire_token_for_client(scope)
        refused(answer, "invalid_tenant", 90002)
    except ValueError:
        pass  # MSAL reads the document first.


@check
def on_behalf_of():
    caller = web()
    called_with = good(sign_in(caller, "ada", [SETTINGS["api"]["scope"]]))["access_token"]
    api = web(client=SETTINGS["api"]["id"], credential=SETTINGS["api"]["secret"])
    answer = good(api.acquire_token_on_behalf_of(called_with, ["User.Read"]))
    assert answer["token_source"] == "identity_provider", answer
    refused(caller.acquire_token_on_behalf_of(called_with, ["User.Read"]), "invalid_grant", 500131)


@check
def device_code():
    app = public()
    flow = app.initiate_device_flow(["User.Read"])
    assert flow.get("user_code") and flow["user_code"] in flow["message"], flow
    control("/answer_device/alan", flow["user_code"].lower().replace("-", ""))
    answer = good(app.acquire_token_by_device_flow(flow))
    assert answer["id_token_claims"]["name"] == "Alan Turing", answer
    [account] = app.get_accounts()
    assert account["home_account_id"] == SETTINGS["home_account_ids"]["alan"], account
    good(app.acquire_token_silent(["User.Read"], account, force_refresh=True))


@check
def a_device_code_that_is_declined():
    app = public()
    flow = app.initiate_device_flow(["User.Read"])
    control("/decline_device", flow["user_code"])
    refused(app.acquire_token_by_device_flow(flow), "authorization_declined", 70018)


@check
def password():
    app = public()
    name = SETTINGS["password"]["username"]
    answer = good(
        app.acquire_token_by_username_password(
            name, SETTINGS["password"]["password"], ["User.Read"]
        )
    )
    assert answer["id_token_claims"]["preferred_username"] == name, answer
    # One person is one account, whatever way they came.
    flow = app.initiate_device_flow(["User.Read"])
    control("/answer_device/" + SETTINGS["password"]["person"], flow["user_code"])
    good(app.acquire_token_by_device_flow(flow))
    assert len(app.get_accounts()) == 1, app.get_accounts()
    refused(
        app.acquire_token_by_username_password(name, "wrong", ["User.Read"]), "invalid_grant", 50126
    )


@check
def claims_challenge():
    app = web(client_capabilities=["cp1"])
    good(sign_in(app, "ada", ["User.Read"]))
    [account] = app.get_accounts()
    control("/challenge", '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}')
    answer = app.acquire_token_silent_with_error(["User.Read"], account, force_refresh=True)
    refused(answer, "interaction_required")
    asked = json.loads(answer["claims"])
    assert asked["access_token"]["acrs"]["value"] == "c1", answer
    stronger = good(sign_in(app, "ada", ["User.Read"], claims_challenge=answer["claims"]))
    assert stronger["id_token_claims"].get("acrs") == ["c1"], stronger["id_token_claims"]


@check
def its_token_cache_is_imported():
    cache = msal.SerializableTokenCache()
    app = web(token_cache=cache)
    for person in ("ada", "grace"):
        good(sign_in(app, person, ["User.Read"]))
    accounts = {account["home_account_id"]: account for account in app.get_accounts()}
    known = {token["secret"] for token in cache.search("AccessToken")}
    answer = requests.post(SETTINGS["control"] + "/import", data=cache.serialize(), timeout=20)
    assert answer.status_code == 200, answer.text
    imported = {account["home_account_id"]: account for account in answer.json()}
    assert imported.keys() == accounts.keys(), imported
    for id, account in imported.items():
        assert account["username"] == accounts[id]["username"], account
        assert account["access_token"] not in known, account
        bearer = {"authorization": "Bearer " + account["access_token"]}
        me = trusting().get(f"{ORIGIN}/graph/v1.0/me", headers=bearer, timeout=20).json()
        assert me["userPrincipalName"] == account["username"], me
    # What is no cache of MSAL is refused.
    answer = requests.post(SETTINGS["control"] + "/import", data="[]", timeout=20)
    assert answer.status_code == 400, answer.text


@check
def b2c():
    tenant = SETTINGS["tenants"]["b2c"]
    app = web(f"{tenant}/B2C_1_susi")
    answer = good(sign_in(app, "rosalind", [SETTINGS["web"]["id"]]))
    assert answer["id_token_claims"]["tfp"] == "B2C_1_susi", answer
    [account] = app.get_accounts()
    assert account["home_account_id"] == SETTINGS["home_account_ids"]["rosalind"], account
    good(app.acquire_token_silent([SETTINGS["web"]["id"]], account, force_refresh=True))


@check
def external_id():
    app = web(SETTINGS["tenants"]["external"])
    answer = good(sign_in(app, "emmy", ["User.Read"]))
    assert answer["id_token_claims"]["tid"] == SETTINGS["tenants"]["external"], answer
    [account] = app.get_accounts()
    good(app.acquire_token_silent(["User.Read"], account, force_refresh=True))


@check
def any_provider_by_its_document():
    app = msal.ConfidentialClientApplication(
        SETTINGS["web"]["id"],
        client_credential=SETTINGS["web"]["secret"],
        oidc_authority=f"{ORIGIN}/{SETTINGS['tenants']['contoso']}/v2.0",
        http_client=trusting(),
    )
    good(sign_in(app, "ada", ["User.Read"]))


@check
def the_end_of_the_session_is_found():
    tenant = f"{ORIGIN}/{SETTINGS['tenants']['contoso']}"
    for document in (tenant, tenant + "/v2.0"):
        told = trusting().get(document + "/.well-known/openid-configuration", timeout=20).json()
        page = trusting().get(
            told["end_session_endpoint"],
            params={"post_logout_redirect_uri": REDIRECT},
            allow_redirects=False,
            timeout=20,
        )
        assert page.headers.get("location") == REDIRECT, (page.status_code, page.text[:300])


def main():
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok      {name}")
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}")
    print(f"MSAL Python {msal.__version__}: {len(CHECKS) - failed} of {len(CHECKS)}")
    sys.exit(min(failed, 99))


main()
