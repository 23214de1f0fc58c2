#!/bin/bash
# Ranks on two machines, as far as one machine can have two: each rank in a network namespace of its own, with a name of
# its own, and a cable between them, which is cut in the end.
#   namespaces.sh MPIEXEC PROGRAM
# PROGRAM is mpi_ranks. Needs the rights of root and the programs of iproute2; is not run without.
set -u
mpiexec=$1 program=$2

here=$(mktemp -d "${TMPDIR:-/tmp}/dvd-namespaces-XXXXXX")
first=dvd-$$-1 second=dvd-$$-2
clean_up() {
  local namespace
  for namespace in $first $second; do
    kill -KILL $(ip netns pids $namespace 2>/dev/null) 2>/dev/null
    ip netns delete $namespace 2>/dev/null
  done
  rm -rf "$here"
}
trap clean_up EXIT
fail() {
  echo "WRONG: $*"
  cat "$here/output" "$here/errors" 2>/dev/null
  exit 1
}

command -v ip unshare hostname >/dev/null || { echo "not run: there is no ip, unshare or hostname here"; exit 0; }
{
  ip netns add $first && ip netns add $second && unshare --uts true && ip netns exec $first true &&
    ip link add cable netns $first type veth peer name cable netns $second
} 2>"$here/errors" || { echo "not run: no network namespaces here ($(head -n 1 "$here/errors"))"; exit 0; }
for machine in 1 2; do
  ip -netns dvd-$$-$machine address add 10.87.65.$machine/24 dev cable
  ip -netns dvd-$$-$machine link set cable up
  ip -netns dvd-$$-$machine link set lo up
done
# Waits half a minute at most.
until_true() {
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    eval "$1" 2>/dev/null && return
    sleep 0.1
  done
  return 1
}
for machine in 1 2; do  # a cable takes a moment to be there
  until_true "ip -netns dvd-$$-$machine link show cable | grep -q 'state UP'"
done

# What launchers find in the place of ssh: behind ssh's options comes a machine, then a command for its shell.
mkdir "$here/bin"
cat >"$here/bin/ssh" <<SSH
#!/bin/bash
while [[ \$1 == -* ]]; do shift; done
number=\${1##*.}
shift
exec ip netns exec dvd-$$-\$number unshare --uts bash -c "hostname machine-\$number; \$*"
SSH
chmod +x "$here/bin/ssh"
PATH=$here/bin:$PATH

# Runs the program on both machines: the launcher is on the first.
launch() {
  local options=(-launcher ssh -hosts 10.87.65.1,10.87.65.2 -ppn 1)
  if "$mpiexec" --version | grep -q "Open MPI\|OpenRTE"; then
    options=(--mca oob_tcp_if_include cable --mca btl_tcp_if_include cable --mca btl self,tcp --mca pml ob1
             --map-by node --host 10.87.65.1,10.87.65.2)
  fi
  UCX_TLS=self,tcp UCX_NET_DEVICES=cable timeout 60 ssh 10.87.65.1 \
    "'$mpiexec' ${options[*]} -n 2 '$program' $*" >"$here/output" 2>"$here/errors" </dev/null
}

launch conformance || fail "two machines are not as good as one"
[ "$(grep -c "^rank . of 2, on its machine 0 of 1: right" "$here/output")" -eq 2 ] || fail "not both ranks have come to the end"

launch stop 1 && fail "ended well although a rank hung"
grep -q "^rank 1 has not come to .* for 2 s" "$here/errors" || fail "it is not said which rank hung"

launch die 1 && fail "ended well although a rank was killed"
[ $? -ne 124 ] || fail "ranks wait for one that was killed"

# A launcher may wait longer than the ranks do: Open MPI's for its daemon on the machine that it cannot reach.
launch endless 2>/dev/null & disown
until_true '[ "$(grep -c "has begun" "$here/output")" = 2 ]' || fail "the ranks have not begun"
ip -netns $first link set cable down
until_true 'grep -q "^rank 1 has not come to a sum over all ranks" "$here/errors"' ||
  fail "it is not said which rank cannot be reached"
ranks_left() {
  local namespace process
  for namespace in $first $second; do
    for process in $(ip netns pids $namespace); do
      [ "$(cat /proc/$process/comm 2>/dev/null)" != "$(basename "$program" | cut -c 1-15)" ] || return 0
    done
  done
  return 1
}
until_true '! ranks_left' || fail "ranks wait for one that cannot be reached"

echo "right: two machines, a rank that hung, one that was killed, one that was cut off"
