# ssh.sh is what the scripts of clients that run OpenSSH's ssh have in common.
. "${0%/*}/../../clients/scripts/verdict.sh"

# trust is the options that make ssh accept the host keys of KNOWN_HOSTS, and no others.
trust="-F none -o UserKnownHostsFile=$KNOWN_HOSTS -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o NumberOfPasswordPrompts=1"
# ssh asks this program for the password.
export SSH_ASKPASS="$(cd "${0%/*}/../testdata" && pwd)/askpass" SSH_ASKPASS_REQUIRE=force
