# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options that modules and lookups share."""

from __future__ import annotations


class ModuleDocFragment:
    """See plugins/module_utils/doors/arguments.py for the same options as an argument spec."""

    DOCUMENTATION = r"""
options:
  registries:
    description:
      - How registries are reached and logged in to. Registries that need nothing of this don't need an entry.
      - An option is looked up field by field, in the longest matching O(registries[].name) that gives it.
      - Where no entry gives a login, other places are asked, see O(auth_file). The result's C(credentials) says
        for each registry which kind of place it was.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The registry as C(host[:port]), or a part of it as C(host[:port]/path), for which the entry's login holds.
          - C(docker.io) is the name of Docker Hub.
          - Each name may occur once.
        type: str
        required: true
      username:
        description: The user to log in as, together with O(registries[].password).
        type: str
      password:
        description: The password, or an access token that stands for one.
        type: str
      token:
        description: Sent as bearer token as it is, instead of logging in.
        type: str
      identity_token:
        description:
          - An OAuth2 refresh token, exchanged for bearer tokens.
          - O(registries[].username) may stand beside it, where a registry wants a certain name. For Azure Container
            Registry that is V(00000000-0000-0000-0000-000000000000).
        type: str
      helper:
        description:
          - A program that gives the login. V(pass) stands for C(docker-credential-pass), which has to be on the C(PATH) of
            the host that connects to the registry.
          - It is run when the registry asks for a login, again every quarter of an hour, and has ten seconds. Where it has no
            login for this registry, the next place is asked; all else that it fails with is an error.
        type: str
      auth:
        description:
          - Where the login comes from, and how it is used. Without this option, V(auto).
          - V(auto) asks all places in their order, see O(auth_file), and does what the registry asks for.
          - V(anonymous) uses no login, whatever there is.
          - V(basic) sends user name and password with every request to the registry, without waiting to be asked for them
            and without exchanging them for a token. It is an error if no place has them.
          - V(google) and V(ecr) take the login from Google's application default credentials, or from AWS, and from no other
            place, also where the registry's name isn't one of theirs. It is an error if there is none.
        type: str
        choices: [auto, anonymous, basic, google, ecr]
      plain_http:
        description:
          - Whether the registry is spoken to without TLS.
          - Without this option, registries on the loopback address are, and all others never are.
          - Only in entries without a path.
        type: bool
      validate_certs:
        description:
          - Whether the registry's certificate is checked; it is, unless this is V(false), of which a warning tells.
          - Holds for this registry alone, and not for other hosts to which it refers, such as its token server.
          - Only in entries without a path.
        type: bool
      ca_path:
        description:
          - PEM file with the certificate authorities that this registry's certificate is checked against, or a directory
            with such files (C(*.crt), C(*.pem), C(*.cer), or named by hash), instead of the usual ones.
          - Without this option, the file or directory named by the first of E(REQUESTS_CA_BUNDLE), E(CURL_CA_BUNDLE) and
            E(SSL_CERT_FILE) that is set, or else the authorities of the system and of the Python library requests.
          - Only in entries without a path.
        type: path
      client_cert:
        description:
          - PEM file with the client certificate for this registry, with its key if O(registries[].client_key) isn't given.
          - Only in entries without a path.
        type: path
      client_key:
        description:
          - PEM file with the unencrypted key of O(registries[].client_cert).
          - Only in entries without a path.
        type: path
      proxy:
        description:
          - The proxy through which this registry is reached, such as V(http://user:password@proxy.example.com:3128).
            C(https://) is possible too, C(socks5://), C(socks5h://) and C(socks4://) with the Python library PySocks.
          - V('') for no proxy, whatever the environment says.
          - Without this option, E(HTTPS_PROXY), E(HTTP_PROXY), E(ALL_PROXY) and E(NO_PROXY) count, in lower or upper case;
            not for registries on the loopback address.
          - Holds for this registry alone. Other hosts to which it refers, such as its token server, have entries of their
            own, or what the environment says.
          - Only in entries without a path.
        type: str
      mirrors:
        description:
          - Registries to read from in place of this one, as C(host[:port]) or C(host[:port]/prefix), where the prefix comes
            before the whole name of the repository. They are asked in this order, and the registry itself last.
          - Used for content that is asked for by its digest, and so is checked. What a tag names, tag lists and referrers
            come from the registry itself, which is therefore still needed.
          - A mirror that fails isn't asked again in the same run, and a warning tells of it. Where it only lacks something or
            refuses access, it is passed over for that.
          - A mirror is logged in to with what its own name gives, never with this registry's login.
          - Nothing is written to mirrors, and they don't matter where this registry is a destination.
        type: list
        elements: str
      max_connections:
        description:
          - The most requests that this registry is sent at once, where that is less than O(concurrency). With V(1) there may
            be two, where a blob is read from it and written to it at a time.
          - Only in entries without a path.
        type: int
      requests_per_second:
        description:
          - The most requests that this registry is sent in a second, evenly spread.
          - Only in entries without a path.
        type: float
      create_repository:
        description:
          - For Amazon ECR, which refuses images for a repository that doesn't exist. With V(true), one that is missing is
            created before the first image is written to it.
          - This needs the Python library C(botocore) where the task runs, with AWS credentials that allow
            C(ecr:CreateRepository). The region is that of the registry's name, and else that of botocore's own settings.
          - In check mode nothing is created, and a warning says what would be.
        type: bool
  auth_file:
    description:
      - File with logins, as C(podman login) and C(docker login) write it, read instead of the usual ones.
      - Without this option, the first of these that has a login for the registry is used. The file that
        E(REGISTRY_AUTH_FILE) names, Podman's C($XDG_RUNTIME_DIR/containers/auth.json) (without that variable
        C(/run/containers/<uid>/auth.json)) and C(~/.config/containers/auth.json), what is in E(DOCKER_AUTH_CONFIG), Docker's
        C(~/.docker/config.json) (or below E(DOCKER_CONFIG)).
      - In each file, the program that C(credHelpers) names for the registry goes before the logins in C(auths), and these
        before the program that C(credsStore) names. These programs are run as those of O(registries[].helper) are.
      - After the files come, for C(gcr.io), C(*.gcr.io) and C(*-docker.pkg.dev), Google's application default credentials,
        where the Python library C(google-auth) is installed. For Amazon ECR, private and public, AWS credentials come, where
        C(botocore) is installed and finds some, else C(docker-credential-ecr-login), where that is installed. Both are
        renewed before they expire.
      - What costs time is asked only when the registry wants a login.
    type: path
    aliases: [authfile]
"""

    # the same options for plugins on the controller, with their variables
    PLUGIN = r"""
options:
  registries:
    description:
      - How registries are reached and logged in to, as in the option of the same name of
        M(imagesync.registry.image_sync).
      - A list of dictionaries. In the environment, the same as JSON.
    type: raw
    vars:
      - name: imagesync_registries
    env:
      - name: IMAGESYNC_REGISTRIES
  auth_file:
    description:
      - File with logins on the controller, read instead of the usual ones, see the option of the same name of
        M(imagesync.registry.image_sync).
    type: str
    vars:
      - name: imagesync_auth_file
    env:
      - name: IMAGESYNC_AUTH_FILE
"""

    # what stands for modules and plugins alike
    LIMITS = r"""
options:
  concurrency:
    description:
      - The most operations in flight at once. A blob on its way from one registry to another is one.
      - Each registry gets a few at first, and more while it keeps up. One that answers that it is too much (429 or 503)
        gets half as many, and then slowly more again.
    type: int
    default: 16
  retries:
    description:
      - How often an operation is tried again, after its first try, when its failure may pass. Too many requests (429)
        count less, while the registry answers others.
      - A blob that breaks off is read on from there. Interruptions aren't counted as long as at least 1 MiB comes between
        them, so that a large layer comes whole over a bad line.
    type: int
    default: 5
  timeout:
    description:
      - Seconds without a byte after which a connection is given up. The head of an answer has to be complete within them,
        and content to come with more than 1 KiB a second over as long.
    type: int
    default: 60
requirements:
  - requests >= 2.25.1
  - google-auth, for Google's registries with application default credentials
  - botocore, for Amazon ECR with the credentials of AWS
"""
