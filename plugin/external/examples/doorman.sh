#!/bin/sh
# A security plugin for rashost in plain shell. Usage: doorman.sh FILE, which has a line NAME:PASSWORD for every guest.
# The host writes keys in a fixed order and without spaces, so that a message can be cut at its keys.
LC_ALL=C
cr=$(printf '\r')
nl='
'
value() { rest=${line#*"\"$1\":"}; rest=${rest#\"}; printf %s "${rest%%[\",\}]*}"; } # of the first key $1
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":{%s}}\n' "$(value id)" "$1"; }
ask() { printf '{"jsonrpc":"2.0","method":"%s","params":{"hport":%s,%s}}\n' "$1" "$hport" "$2"; } # without an id: no answer
send() { ask DialogSend "\"data\":\"$(printf %s "$1" | base64 | tr -d '\n')\""; }
complete() { ask DialogComplete "\"msgid\":$1,\"error\":0,\"user\":\"$name\",\"domain\":\"\""; prompt=none; }

known() { # printf, read and [ are part of the shell: no secret gets into the arguments of a process
	case $name in '' | *[!A-Za-z0-9._@+-]*) name=unknown; return 1 ;; esac
	while IFS= read -r guest; do [ "$guest" = "$name:$secret" ] && return 0; done <"$guests"
	return 1
}

typed() { # $1 is a line of the caller
	if [ "$prompt" = name ]; then
		name=$1 prompt=secret
		send "$cr${nl}Password: "
		return
	fi
	secret=$1 prompt=name tries=$((tries + 1))
	if known; then complete 1; return; fi
	send "$cr${nl}Access denied.$cr$nl"
	if [ "$tries" -lt 3 ]; then send 'Name: '; else complete 2; fi
}

received() { # the name is echoed, the password is not
	new=$(value data | base64 -d | tr '\r' '\n' | tr -cd '[:print:]\n'; echo .)
	new=${new%.}
	[ "$prompt" = secret ] || send "${new%%"$nl"*}"
	input=$input$new
	while [ "$prompt" != none ] && [ "$input" != "${input#*"$nl"}" ]; do
		now=${input%%"$nl"*} input=${input#*"$nl"}
		typed "$now"
	done
	[ "${#input}" -lt 200 ] || input=too-long
	[ "$prompt" = none ] || ask DialogReceive '"size":1500,"timeout":0'
}

guests=$1 prompt=name input='' tries=0
while IFS= read -r line; do
	case $line in
	*'"method":"Hello"'*) answer '"version":1,"name":"doorman","isolation":"call"' ;;
	*'"method":"SecurityDialogBegin"'*) hport=$(value hport); answer '"code":0'; send 'Name: '; ask DialogReceive '"size":1500,"timeout":0' ;;
	*'"method":"ReceiveDone"'*'"code":0,'*) received ;;
	*'"method":"SecurityDialogEnd"'*) answer '"code":619' ;;
	esac
done
