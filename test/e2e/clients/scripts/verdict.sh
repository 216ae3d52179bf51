# verdict.sh is what the scripts of clients have in common; README.md says how they are called.
set -eu

# cannot says what the client has no way to do, and defect what it does wrong with any server, or with one that keeps to the standards.
cannot() { echo "$*"; exit 77; }
defect() { echo "$*"; exit 78; }

# url escapes a path for a URL, every byte of it.
url() { printf %s "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g; s/%2f/\//g'; }

# quoted escapes a word for between double quotes, as lftp, ncftp and curl's configuration take it.
quoted() { printf %s "$1" | sed 's/[\\"]/\\&/g'; }

# q escapes a word with backslashes, as yafc, ncftp and the descendants of BSD's ftp take it.
q() { printf %s "$1" | sed 's/[] "'"'"'\\;&#?*[{}|!$%+<>~()]/\\&/g'; }

# parent is the directory of a path.
parent() { dirname -- "$1"; }

passive() { [ "$MODE" = passive ]; }
