"""A tiny single-user server: answers its `api` address, and runs what it is posted, as a shell.

It stands for JupyterLab with a terminal. Standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        here = self.path.partition("?")[0] == f"{url.path}api"
        self._answer(200 if here else 404, {"version": "stub"})

    def do_POST(self):
        command = self.rfile.read(int(self.headers["Content-Length"])).decode()
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        self._answer(200, {"code": done.returncode, "out": done.stdout, "err": done.stderr})

    def _answer(self, status, said):
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer((url.hostname, url.port), Handler)
server.daemon_threads = True


def end(*_):
    (Path.home() / "ended-gently").write_text("yes")
    threading.Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, end)
sys.stdout.write(f"serving {url.geturl()} with {os.environ['JUPYTERHUB_API_TOKEN']}\n")
sys.stdout.flush()
server.serve_forever(0.02)
sys.exit(0)
