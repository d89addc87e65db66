"""The demo's hub: an emulated EC2 or Azure on this computer, pretend users, pretend money.

`make demo` runs it. Do not copy it: `hub_config/aws/jupyterhub_config.py` is for a real class.
"""

import json
import os
from pathlib import Path

import gpuspawner

c = get_config()

folder = Path(os.environ.get("DEMO_DIR") or ".demo").absolute()
base = int(os.environ.get("DEMO_PORT_BASE") or "8000")
public_url = f"http://127.0.0.1:{base}/"
on_azure = os.environ.get("DEMO_CLOUD") == "azure"

gpuspawner.configure(
    c,
    public_url=public_url,
    controller_url=f"http://127.0.0.1:{base + 10}",
    secret_file=folder / "secret",
    # The controller reads this file too, and the hub starts it with a bare environment.
    environment={key: value for key, value in os.environ.items() if key.startswith("DEMO_")},
)

# The hub and its proxy, on this computer only.
c.JupyterHub.bind_url = public_url
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{base + 81}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{base + 1}"
c.ConfigurableHTTPProxy.command = json.loads(os.environ.get("DEMO_PROXY", '["configurable-http-proxy"]'))
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{folder}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3

# Pretend users with one password. Never do this on a network.
students = {f"student{number}" for number in range(1, 31)}
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "demo"  # noqa: S105
c.Authenticator.allowed_users = students | {"teacher"}
c.Authenticator.admin_users = {"teacher"}
c.JupyterHub.load_groups = {"gpuspawner-admin": {"users": ["teacher"]}, "staff": {"users": ["teacher"]}}

if token := os.environ.get("DEMO_ADMIN_TOKEN"):
    c.JupyterHub.services.append({"name": "demo-admin", "api_token": token})
    c.JupyterHub.load_roles.append(
        {
            "name": "demo-admin",
            "services": ["demo-admin"],
            "scopes": ["admin:users", "admin:servers", "admin:groups", "tokens", "read:hub", "access:servers"],
        }
    )

# The machines to pick from.
T4 = ["Standard_NC4as_T4_v3", "Standard_NV6ads_A10_v5"] if on_azure else ["g4dn.xlarge", "g6.xlarge"]
LARGE_T4 = ["Standard_NC8as_T4_v3"] if on_azure else ["g4dn.2xlarge"]
FASTER = ["Standard_NC24ads_A100_v4"] if on_azure else ["g5.xlarge"]
memory = 28 if on_azure else 16
STAFF = ["Standard_NC40ads_H100_v5"] if on_azure else ["g6e.xlarge"]
c.GPUSpawner.profile_list = [
    {
        "display_name": "One T4",
        "slug": "t4",
        "description": {
            "en": "For the course: enough for every notebook.",
            "ko": "수업용: 모든 노트북을 돌리기에 충분해요.",
        },
        "default": True,
        "gpuspawner_override": {"sizes": T4, "home_gib": 10},
        "profile_options": {
            "host": {
                "display_name": {"en": "Processor and memory", "ko": "프로세서와 메모리"},
                "choices": {
                    "small": {"display_name": f"4 vCPU, {memory} GiB", "default": True},
                    "large": {
                        "display_name": f"8 vCPU, {2 * memory} GiB",
                        "gpuspawner_override": {"sizes": LARGE_T4},
                    },
                },
            }
        },
    },
    {
        "display_name": "One A100" if on_azure else "One A10G",
        "slug": "a10g",
        "description": {
            "en": "More memory, at a higher price; for your project.",
            "ko": "메모리가 크고 값도 더 비싸요: 프로젝트용.",
        },
        "gpuspawner_override": {"sizes": FASTER, "home_gib": 10},
    },
    {
        "display_name": "One H100" if on_azure else "One L40S",
        "slug": "l40s",
        "description": {"en": "For staff.", "ko": "교직원용."},
        "groups": ["staff"],
        "gpuspawner_override": {"sizes": STAFF, "home_gib": 10},
    },
]
c.GPUSpawner.start_timeout = 300

# The cloud: the emulated one, with its own image and network.
if on_azure:
    seed = json.loads(os.environ["DEMO_SEED"]) if "DEMO_SEED" in os.environ else None
    c.Controller.provider = "azure"
    c.Azure.endpoint_url = f"https://127.0.0.1:{base + 30}"
    c.Azure.ca_file = str(folder / "arm" / "ca.pem")
    c.Azure.sizes = [*T4, *LARGE_T4, *FASTER, *STAFF]
    if seed:
        c.Azure.subscription, c.Azure.resource_group = seed["subscription"], seed["group"]
        c.Azure.image = seed["image"]
        c.Azure.subnets = {"eastus": seed["subnets"]["eastus"]}
        c.Prices.cost = {
            **{size["type"]: size["price_per_hour"] for size in seed["sizes"]},
            "StandardSSD_LRS": 0.075,
        }
    c.Prices.refresh_interval = 0
else:
    c.AWS.region = "us-east-1"
    c.AWS.endpoint_url = f"http://127.0.0.1:{base + 20}"
    c.AWS.image = os.environ.get("DEMO_IMAGE", "gpuspawner-lab")
    c.AWS.security_groups = ["gpuspawner-machines"]
    c.AWS.sizes = ["g4dn.xlarge", "g6.xlarge", "g5.xlarge", "g4dn.2xlarge", "g6e.xlarge"]

# Pretend money: a class of thirty, and a few hours of the smallest machine for each.
c.Credit.course_credit = 200.0
c.Credit.student_credit = 5.0

# Everything is quick here, so look more often.
c.Controller.database_url = f"sqlite:///{folder}/gpuspawner.sqlite"
c.Controller.fast_interval = 1.0
c.Controller.slow_interval = 10.0
c.Agent.heartbeat_interval = 2.0

# Settings of your own, to try them: DEMO_CONFIG=mine.py make demo
if mine := os.environ.get("DEMO_CONFIG"):
    load_subconfig(mine)
