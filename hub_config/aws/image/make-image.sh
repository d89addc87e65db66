#!/usr/bin/env bash
# Turns an instance of AWS's "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04 or 24.04)"
# into the machine that students get. Run it there as root, once; then make an image of it:
#
#   sudo PACKAGE='gpuspawner[labs]' COURSE=/tmp/requirements.txt bash make-image.sh
#   sudo poweroff            # then, elsewhere: aws ec2 create-image --instance-id i-… --name …
#
# PACKAGE: what pip installs: a name with a version, or a wheel: '/tmp/gpuspawner-0.1-….whl[labs]'.
#          The same version as the hub's.
# COURSE:  a file with the packages of the course (pip's format), into the same environment. Optional.
# ENVIRONMENTS: a folder with further files like it, one for each kernel that students may choose:
#          torch.txt becomes /opt/torch and the kernel "torch". Optional.
# CA:      a PEM file with the authority of the hub's certificate, when no public one signed it.
#
# It installs, frees the number 1000 for `student`, and lets `student` use sudo. It switches nothing
# off. Nothing in an image is secret: students can read all of it.
set -euo pipefail

PACKAGE=${PACKAGE:-gpuspawner[labs]}
COURSE=${COURSE:-}
ENVIRONMENTS=${ENVIRONMENTS:-}
CA=${CA:-}

readonly venv=/opt/gpuspawner
readonly student=student
readonly number=1000    # files on a home carry it, so it is the same in every image

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'make-image.sh: %s\n' "$*" >&2; exit 1; }

check() {
  [[ $(id -u) -eq 0 ]] || fail "run it as root: sudo bash $0"
  grep -qs '^ID=ubuntu$' /etc/os-release || fail "this is not Ubuntu"
  command -v cloud-init >/dev/null || fail "there is no cloud-init, which gives the agent its ticket"
  command -v systemctl >/dev/null || fail "there is no systemd, which starts the agent"
  command -v nvidia-smi >/dev/null || say "No nvidia-smi: fine for machines without a GPU only"
  [[ -z $COURSE || -r $COURSE ]] || fail "COURSE: there is no file $COURSE"
  [[ -z $ENVIRONMENTS || -d $ENVIRONMENTS ]] || fail "ENVIRONMENTS: there is no folder $ENVIRONMENTS"
  [[ -z $CA || -r $CA ]] || fail "CA: there is no file $CA"
}

install_packages() {
  say "System packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # What the agent asks the machine for is in util-linux, e2fsprogs, coreutils and passwd.
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
    python3 python3-venv git fonts-nanum sudo util-linux e2fsprogs coreutils passwd </dev/null
}

install_agent() {
  say "The environment $venv"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or newer is needed"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --upgrade pip
  "$venv/bin/python" -m pip install --quiet "$PACKAGE"
  if [[ -n $COURSE ]]; then
    "$venv/bin/python" -m pip install --quiet --requirement "$COURSE"
  fi
  local unit
  unit=$("$venv/bin/python" -c 'import gpuspawner.agent as a, pathlib; print(pathlib.Path(a.__file__).parent)')
  install -m 0644 "$unit/gpuspawner-agent.service" /etc/systemd/system/gpuspawner-agent.service
  if [[ -n $CA ]]; then
    install -D -m 0644 "$CA" /etc/gpuspawner/ca.pem            # for the agent
    install -D -m 0644 "$CA" /usr/local/share/ca-certificates/gpuspawner.crt
    update-ca-certificates                                     # for everything else
  fi
  # Enabled and not started: at its first start it makes the machine's own key, which must not be
  # in an image.
  systemctl enable gpuspawner-agent.service
}

# What students install into them lands in their homes, as with the kernel of $venv.
make_kernels() {
  local file name
  for file in "$ENVIRONMENTS"/*.txt; do
    [[ -e $file ]] || continue
    name=$(basename "$file" .txt)
    say "The kernel $name"
    python3 -m venv "/opt/$name"
    "/opt/$name/bin/python" -m pip install --quiet --upgrade pip ipykernel
    "/opt/$name/bin/python" -m pip install --quiet --requirement "$file"
    "/opt/$name/bin/python" -m ipykernel install --prefix "$venv" --name "$name" \
      --display-name "Python ($name)"
  done
}

# Ubuntu's images give 1000 to `ubuntu`. `usermod` refuses while somebody is logged in as it, which
# is how Packer and people come in; so the two files are changed by hand. Whoever is logged in now
# counts as `student` from here on, until they log out.
free_number() {
  local holder new=1999
  holder=$(getent passwd "$number" | cut -d: -f1)
  if [[ -z $holder || $holder == "$student" ]]; then
    return 0
  fi
  while getent passwd "$new" >/dev/null || getent group "$new" >/dev/null; do
    new=$((new - 1))
  done
  say "$holder gets the number $new instead of $number"
  cp -p /etc/passwd /etc/passwd-
  cp -p /etc/group /etc/group-
  sed -i -E "s/^($holder:[^:]*):$number:$number:/\1:$new:$new:/" /etc/passwd
  sed -i -E "s/^([^:]+:[^:]*):$number:/\1:$new:/" /etc/group
  [[ $(id -u "$holder") -eq $new ]] || fail "$holder has still the number $number"
  # This disk only; what is in memory (/run, /proc) ends with the machine.
  find / -xdev -uid "$number" -exec chown --no-dereference "$new" {} +
  find / -xdev -gid "$number" -exec chgrp --no-dereference "$new" {} +
}

make_student() {
  say "The user $student"
  if ! getent passwd "$student" >/dev/null; then
    # No home: the agent mounts the student's own disk there.
    useradd --uid "$number" --user-group --no-create-home --home-dir "/home/$student" \
      --shell /bin/bash "$student"
  fi
  [[ $(id -u "$student") -eq $number ]] || fail "$student does not have the number $number"
  # Their own machine: they may install what they like, and switch it off.
  printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$student" >/etc/sudoers.d/90-gpuspawner-student
  chmod 0440 /etc/sudoers.d/90-gpuspawner-student
  visudo -c -q -f /etc/sudoers.d/90-gpuspawner-student
}

prove() {
  say "Proof"
  "$venv/bin/python" - <<'PYTHON'
import shutil, sys
from gpuspawner.agent.commands import COMMANDS
missing = [name for name in COMMANDS if shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") is None]
sys.exit(f"commands that the agent needs are missing: {', '.join(missing)}" if missing else 0)
PYTHON
  "$venv/bin/gpuspawner-agent" --help >/dev/null
  "$venv/bin/jupyterhub-singleuser" --version
  "$venv/bin/jupyter-lab" --version
  systemctl is-enabled gpuspawner-agent.service
}

# cloud-init treats a machine with a new id as new, whatever the image has seen, so that the user
# data of each machine is its own. What it keeps of this one is removed all the same.
forget_this_machine() {
  say "Forget what belongs to this machine"
  rm -rf /var/lib/gpuspawner /var/log/gpuspawner
  cloud-init clean --logs
  truncate -s 0 /etc/machine-id
}

check
install_packages
install_agent
[[ -z $ENVIRONMENTS ]] || make_kernels
free_number
make_student
prove
forget_this_machine
say "Done. Switch this machine off and make an image of it."
