"""Django OAuth Toolkit, an OpenID Connect provider in Python: requirements.txt says what it needs.

    python django_oauth_toolkit.py http://localhost:3000

with one client, the application at that address. Prints one line of JSON when it answers, then runs
until its standard input closes. Its settings are those of its tutorial: `openid` is the only scope
that it knows, and any other one is an error. The account is `alice` with the password
`alice-password`.
"""

import json
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from jwcrypto.jwk import JWK

APPLICATION = sys.argv[1]
CLIENT = {"client_id": "kGb6T-1.x_7~Q", "client_secret": "a-secret_with.all~marks"}

settings.configure(
    SECRET_KEY="for a test on loopback",
    ROOT_URLCONF=__name__,
    LOGIN_URL="/admin/login/",
    STATIC_URL="/static/",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    ALLOWED_HOSTS=["127.0.0.1"],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": JWK.generate(kty="RSA", size=2048)
        .export_to_pem(True, None)
        .decode(),
        "SCOPES": {"openid": "OpenID Connect scope"},
        "ACCESS_TOKEN_EXPIRE_SECONDS": 60,
    },
)
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import Application  # noqa: E402

urlpatterns = [
    path("admin/", admin.site.urls),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
]


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
User.objects.create_superuser("alice", "alice@example.com", "alice-password")
Application.objects.create(
    name="The application",
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
    algorithm=Application.RS256_ALGORITHM,
    redirect_uris=f"{APPLICATION}/auth/callback",
    post_logout_redirect_uris=f"{APPLICATION}/auth/signed-out",
    **CLIENT,
)
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Silent)
print(json.dumps({"issuer": f"http://127.0.0.1:{server.server_port}/o", **CLIENT}), flush=True)
ended = threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True)
ended.start()
server.serve_forever()
