"""A hub for a real class on Amazon EC2. Copy it, and change what is in capital letters.

The hub and the controller both read it, and it must load without side effects: no request, no file
but the secret, which is made once. What only one of them may know (a client secret, a database's
password) comes from that one's environment. `docs/aws.md` walks through everything around it, and
`hub_config/aws/README.md` has the permissions, the network and the image.

Every setting with its default: `docs/reference/configuration.md`. What is not here is left alone.
"""

import os

import gpuspawner

c = get_config()

# ----------------------------------------------------------------------------------------------
# The hub's address, its login, who may do what

gpuspawner.configure(
    c,
    # As people and machines reach it. HTTPS: the students' tokens and work travel on it.
    public_url="https://HUB.EXAMPLE.ORG/",
    # The language of people who have chosen none and whose browser asks for neither: en or ko.
    language="en",
    # False when the controller runs on its own (hub_config/systemd/). Then it has the cloud
    # credential to itself, and goes on while the hub is restarted.
    managed=True,
    # The hub's identity, mode 0600; by default beside this file. Keep a copy in a safe place.
    secret_file=os.environ.get("GPUSPAWNER_SECRET_FILE"),
)

# TLS ends in a reverse proxy on this host (nginx, Caddy). To end it here instead, use port 443
# and set c.JupyterHub.ssl_cert and c.JupyterHub.ssl_key.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# The proxy written for node; `gpuspawner install-proxy /opt/hub/share/proxy` prints these two
# paths. The Python program of the same name holds back the page that shows how far a start is.
c.ConfigurableHTTPProxy.command = ["/usr/bin/node", "/usr/bin/configurable-http-proxy"]

# Who may log in. Choose one; "null" lets nobody in, so that a copy of this file is safe.
c.JupyterHub.authenticator_class = "null"
#
# The university's own login, with `pip install oauthenticator`:
# c.JupyterHub.authenticator_class = "generic-oauth"
# c.GenericOAuthenticator.client_id = "GPU-CLASS"
# c.GenericOAuthenticator.client_secret = os.environ.get("OAUTH_CLIENT_SECRET", "")
# c.GenericOAuthenticator.authorize_url = "https://LOGIN.EXAMPLE.ORG/authorize"
# c.GenericOAuthenticator.token_url = "https://LOGIN.EXAMPLE.ORG/token"
# c.GenericOAuthenticator.userdata_url = "https://LOGIN.EXAMPLE.ORG/userinfo"
# c.GenericOAuthenticator.username_claim = "sub"  # not a name that can be given to somebody else
# c.OAuthenticator.oauth_callback_url = "https://HUB.EXAMPLE.ORG/hub/oauth_callback"
#
# A learning platform (Moodle, Canvas), with `pip install jupyterhub-ltiauthenticator`:
# c.JupyterHub.authenticator_class = "ltiauthenticator.lti13.auth.LTI13Authenticator"
#
# Accounts kept by the hub, with `pip install jupyterhub-nativeauthenticator`:
# c.JupyterHub.authenticator_class = "native"

# Without a list nobody gets in; `allow_all = True` lets in everybody whom the login knows.
c.Authenticator.allowed_users = {"STUDENT-1", "STUDENT-2"}
# They may do everything in the hub, and open the students' servers.
c.Authenticator.admin_users = {"TEACHER"}

# The groups that the profiles below ask for. With LTI or OAuth they can come from the login.
c.JupyterHub.load_groups = {
    # They see everybody's machines and may delete them, without being hub administrators.
    "gpuspawner-admin": {"users": ["TEACHER"]},
    "project": {"users": ["STUDENT-1"]},
    "staff": {"users": ["TEACHER"]},
}

# One machine a student is the default. More of them cost more, each with a home of its own:
# c.JupyterHub.allow_named_servers = True
# c.JupyterHub.named_server_limit_per_user = 1

# ----------------------------------------------------------------------------------------------
# The machines to pick from: say what they are for, and what may come instead. The price, the
# processors and the memory on a card are the cloud's own figures.

c.GPUSpawner.profile_list = [
    {
        "display_name": "Course machine",
        "slug": "course",
        # A text for all, or one for each language.
        "description": {
            "en": "One T4, enough for every notebook of the course. "
            "When no T4 is free, one L4: faster, and it costs half as much again.",
            "ko": "T4 1개. 수업의 모든 노트북에 충분합니다. "
            "빈 T4가 없으면 L4 1개를 드립니다. 더 빠르고 값은 1.5배입니다.",
        },
        "default": True,
        # Best first; each is tried in every zone before the next.
        "gpuspawner_override": {"sizes": ["g4dn.xlarge", "g6.xlarge"], "home_gib": 20},
    },
    {
        "display_name": "Project machine",
        "slug": "project",
        "description": "One A10G: more memory for larger models, at twice the price of a T4.",
        "groups": ["project", "staff"],
        "gpuspawner_override": {"sizes": ["g5.xlarge"], "home_gib": 50},
    },
    {
        "display_name": "Large machine",
        "slug": "large",
        "description": "One L40S. Three and a half times the price of a T4: stop it when you are done.",
        "groups": ["staff"],
        "gpuspawner_override": {"sizes": ["g6e.xlarge"], "home_gib": 50, "disk_gib": 100},
    },
]

# A start takes minutes when a zone is full; shorter gives up machines that would have come.
c.GPUSpawner.start_timeout = 900
# The same port on every machine, so that one rule of the security group is enough.
c.GPUSpawner.port = 8888

# ----------------------------------------------------------------------------------------------
# The account, the network, the image. Credentials are not here: they come from the controller's
# environment (AWS_PROFILE, AWS_ACCESS_KEY_ID) or, better, from the role of its host.

# A region near the class makes typing feel quicker.
c.AWS.region = "us-east-1"
# Pinned by its id, so that nobody gets another image in the middle of the term.
c.AWS.image = "ami-0123456789abcdef0"
# One in each zone: more zones mean more chances of a free machine.
c.AWS.subnets = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
# It admits the hub's host on port 8888 and nobody else, not even the other machines.
c.AWS.security_groups = ["sg-0cccccccccccccccc"]
# Whatever a profile says, nothing else is started. Keep iam-policy.json the same.
c.AWS.sizes = ["g4dn.xlarge", "g6.xlarge", "g5.xlarge", "g6e.xlarge"]
# On everything that is made, for the bill; readable by whoever may describe instances.
c.AWS.tags = {"course": "COURSE-101"}
# gp3 is cheaper than gp2 and no slower.
c.AWS.disk_type = "gp3"
# Where AWS's price list may not be read, every size and disk of another region than us-east-1 needs
# its price here, or it is not offered. A disk's is for a GiB and month:
# c.Prices.cost = {"g4dn.xlarge": DOLLARS_PER_HOUR, "gp3": DOLLARS_PER_GIB_MONTH, …}

# ----------------------------------------------------------------------------------------------
# The credit: what the class may spend in all, and what each student is given of it when they are
# first seen. The rest stays in the pool, for those who need more and for the homes. Nothing is
# started that a student's credit does not cover.

c.Credit.course_credit = 1000.0
c.Credit.student_credit = 20.0
# Days, and so limits per day, begin at midnight here:
# c.Credit.timezone = "Asia/Seoul"
# A forgotten machine then costs one day's limit at most:
# c.Credit.student_day_limit = 5.0

# ----------------------------------------------------------------------------------------------
# The controller

# SQLite beside this file is enough for a class. PostgreSQL 14 or newer lets a second controller
# on another host stand by: postgresql://USER:PASSWORD@HOST/gpuspawner, with `pip install
# 'gpuspawner[postgres]'`. Connect to the server itself: a transaction pooler (PgBouncer in
# transaction mode, RDS Proxy) breaks the lock that keeps two controllers apart.
c.Controller.database_url = os.environ.get("GPUSPAWNER_DATABASE_URL", "sqlite:///gpuspawner.sqlite")
# A mistyped profile cannot ask for more; both are billed while a machine is off, too.
c.Controller.max_home_gib = 50
c.Controller.max_disk_gib = 100
# Time for notebooks to be saved before a machine goes off.
c.Controller.save_timeout = 60.0

# ----------------------------------------------------------------------------------------------
# The agent on each machine

# A stop is noticed that much later at most; smaller costs the controller more requests.
c.Agent.heartbeat_interval = 10.0
# So long may the hub be gone (an update, a broken network) before machines switch themselves off.
c.Agent.unreachable_timeout = 1800.0

# ----------------------------------------------------------------------------------------------
# When a machine is stopped. Who is in front of it is warned five minutes before, and a training
# that runs without a browser goes on up to a cap. All limits are in docs/idle.md; these are the
# ones that classes change.

# With False, machines that nobody uses are shown and nobody is stopped: to see first whom it hits.
c.Idle.enforce = True
# Without anybody's doing, with its page open in a browser; and without.
c.Idle.with_tab_timeout = 1800.0
c.Idle.without_tab_timeout = 900.0
# So long may a GPU, or the processor alone, work with nobody there.
c.Idle.gpu_cap = 12 * 3600.0
c.Idle.processor_cap = 1.5 * 3600
# A session ends after this, and every night at this time in c.Credit.timezone, if it is set.
c.Session.longest = 12 * 3600.0
# c.Session.nightly_stop = "03:00"
