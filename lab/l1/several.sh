#!/bin/bash
# several.sh SCRIPT [ARG ...] [, SCRIPT [ARG ...] ...]: one after the other, in one boot,
# which takes minutes of its own with the debug options.
. /src/lab/l1/lib.sh

run() {
	echo "=== $*"
	bash "/src/lab/l1/$1.sh" "${@:2}" || FAILED=1
	ip addr flush dev eth0
}

one=()
for word; do
	if [ "$word" = , ]; then
		run "${one[@]}"
		one=()
	else
		one+=("$word")
	fi
done
run "${one[@]}"
exit "$FAILED"
