#!/usr/bin/env bash
# Installs what the tests of Slurm, containers and LaTeX tables need on Debian 12: Slurm with accounting, buildah,
# mmdebstrap, pdflatex with booktabs, and Apptainer. Run it as root; a second run has nothing to do.
# usage: tests/hpc/install.sh PREFIX     Apptainer is then PREFIX/usr/bin/apptainer
set -euo pipefail

PACKAGES="slurmctld slurmd slurm-client slurmdbd slurm-wlm-mysql-plugin munge mariadb-server
  buildah mmdebstrap patchelf squashfs-tools uidmap util-linux git ca-certificates texlive-latex-recommended"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

fail() { echo "error: $1" >&2; echo "  What to do: $2" >&2; exit 1; }

install_packages() {
  local missing=() package
  for package in $PACKAGES; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing ${missing[*]}"
  # Slurm's and MariaDB's own services stay off: the tests start and stop the daemons that they need.
  apt-get -qq update || fail "apt-get update failed" "check /etc/apt/sources.list.d and the network"
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null \
    || fail "apt-get could not install ${missing[*]}" "run apt-get install for them by hand to see why"
}

# The mirror from which this machine gets Debian.
debian_mirror() {
  {
    sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources
    awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }' /etc/apt/sources.list
  } 2> /dev/null | head -n 1 || true  # either file may be missing
}

# bookworm has no Apptainer. sid's is unpacked in a separate folder, with the libraries that it was built against, and
# patched to use those. Nothing of sid is installed, so the system's libc does not change.
unpack_apptainer() {
  local prefix=$1 work mirror lib program
  mirror=$(debian_mirror); [ -n "$mirror" ] || fail "no Debian mirror in /etc/apt" "name one in /etc/apt/sources.list.d/debian.sources"
  work=$(mktemp -d); trap "rm -rf '$work'" EXIT
  mkdir -p "$work"/{lists/partial,cache/archives/partial}
  echo "deb [signed-by=$KEYRING] $mirror sid main" > "$work/sources.list"
  cat > "$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
CONF
  echo "unpacking Apptainer under $prefix"
  apt-get -qq -c "$work/apt.conf" update || fail "Debian sid's package lists could not be read" "check the mirror $mirror and the network"
  (cd "$work" && apt-get -qq -c "$work/apt.conf" download apptainer libc6 libseccomp2 libsqlite3-0)
  rm -rf "$prefix.partial"; mkdir -p "$prefix.partial"
  for package in "$work"/*.deb; do dpkg -x "$package" "$prefix.partial"; done
  # Apptainer looks for its settings and state beside its programs.
  ln -sfn ../etc "$prefix.partial/usr/etc"; ln -sfn ../var "$prefix.partial/usr/var"
  ln -sfn ../../etc "$prefix.partial/usr/lib/etc"; ln -sfn ../../var "$prefix.partial/usr/lib/var"
  ln -sfn apptainer "$prefix.partial/usr/bin/singularity"  # Snakemake calls it by its old name
  # In a container, root may lack capabilities, all of which Apptainer would request by default.
  sed -i 's/^root default capabilities = .*/root default capabilities = no/' "$prefix.partial/etc/apptainer/apptainer.conf"
  lib=$prefix/usr/lib/x86_64-linux-gnu
  for program in usr/bin/apptainer usr/lib/x86_64-linux-gnu/apptainer/bin/starter; do
    patchelf --set-interpreter "$lib/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$lib" "$prefix.partial/$program"
  done
  rm -rf "$prefix"; mv "$prefix.partial" "$prefix"
}

[ $# = 1 ] && [ "${1:0:1}" = / ] || fail "usage: tests/hpc/install.sh PREFIX" "give an absolute path for Apptainer"
[ "$(id -u)" = 0 ] || fail "this installs Debian packages, which needs root" "run it as root, or install by hand: $(echo $PACKAGES) apptainer"
command -v apt-get > /dev/null || fail "this is not Debian" "install by hand: $(echo $PACKAGES) apptainer"
install_packages
"$1/usr/bin/apptainer" --version 2> /dev/null || { unpack_apptainer "$1"; "$1/usr/bin/apptainer" --version; }
