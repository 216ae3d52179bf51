# bsd.sh drives the clients that descend from BSD's ftp. They take commands from standard input, and end well whatever the server says.
# The script that reads this defines ftp_client, which runs the client.
. "${0%/*}/verdict.sh"

run() {
	out=$(printf '%s\n' "user $FTP_USER $FTP_PASSWORD" "prompt off" "$@" quit | ftp_client "$HOST" "$PORT" 2>&1)
	echo "$out"
	if echo "$out" | grep -Eq '^([45][0-9][0-9][ -][A-Z]|\?|ftp: |[a-z-]*ftp: .*:|usage:)'; then exit 1; fi
}
size() { run binary "size $(q "$1")" | sed -n 's/^.*[^0-9]\([0-9][0-9]*\)$/\1/p' | tail -n 1; }
modtime() { date -u +%Y%m%d%H%M%S -d "$(run "modtime $(q "$1")" | sed -n "s|^$1[[:space:]]*||p")"; }

# each runs a command on files of directories: each LOCAL REMOTE "COMMAND FILES" ...
each() {
	commands=binary
	while [ $# -gt 0 ]; do
		commands="$commands
lcd $(q "$1")
cd $(q "$2")
$3"
		shift 3
	done
	run "$commands"
}

bsd() {
	case $1 in
	put) run binary "put $(q "$2") $(q "$3")" ;;
	get) run binary "get $(q "$2") $(q "$3")" ;;
	reput) run binary "restart $(size "$3")" "put $(q "$2") $(q "$3")" ;;
	reget) run binary "reget $(q "$2") $(q "$3")" ;;
	append) run binary "append $(q "$2") $(q "$3")" ;;
	put-text) run ascii "put $(q "$2") $(q "$3")" ;;
	get-text) run ascii "get $(q "$2") $(q "$3")" ;;
	put-time) cannot "it sends no times" ;;
	get-time) run binary "get $(q "$2") $(q "$3")" ;;
	list) run "ls $(q "$2")" ;;
	size) size "$2" ;;
	time) modtime "$2" ;;
	mkdir) run "mkdir $(q "$2")" ;;
	rmdir) run "rmdir $(q "$2")" ;;
	rename) run "rename $(q "$2") $(q "$3")" ;;
	delete) run "delete $(q "$2")" ;;
	put-many) each "$2" "$4" "mput $3" ;;
	get-many) each "$4" "$2" "mget $3" ;;
	put-tree | get-tree) cannot "there is no command for trees" ;;
	*) cannot "unknown: $1" ;;
	esac
}
