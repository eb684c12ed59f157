#!/bin/bash
# kunit.sh: built-in KUnit suites ran at boot; take over what they said.
. /src/lab/l1/lib.sh

for name in mpassthru_port mpassthru_tap mpassthru_fifo mpassthru_mem \
	    mpassthru_rx mpassthru_offload mpassthru_tx igb_mp igb_mp_tx \
	    ixgbe_mp ixgbe_mp_tx; do
	suite=/sys/kernel/debug/kunit/$name/results
	if ! grep -q "^    ok " $suite; then
		result "$name" fail "no such suite in this kernel, or no case passed"
		continue
	fi
	while IFS= read -r line; do
		echo "$line"
		case $line in
		"    ok "*"# SKIP"*) outcome=skip ;;
		"    ok "*) outcome=pass ;;
		"    not ok "*|"not ok "*) outcome=fail ;;
		*) continue ;;
		esac
		read -r case_name _ <<<"${line#*ok * }"
		result "$name/$case_name" "$outcome"
	done <$suite
done
exit $FAILED
